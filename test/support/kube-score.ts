import { spawnSync } from 'node:child_process';
import { cachedTool } from './cached-tool';

export interface Finding {
  readonly object: string;
  readonly check: string;
  readonly comments: readonly string[];
}

interface Scored {
  readonly object_name: string;
  readonly checks: readonly {
    readonly check: { readonly id: string };
    readonly grade: number;
    readonly skipped: boolean;
    readonly comments: readonly { readonly summary: string; readonly path: string }[] | null;
  }[];
}

/** The lowest of kube-score's grades: what it calls CRITICAL. */
const critical = 1;

/** What kube-score finds critical in these manifests. */
export function criticalFindings(manifests: string): Finding[] {
  const { stdout, stderr, error } = spawnSync(
    cachedTool('kube-score', 'github.com/zegl/kube-score'),
    ['score', '--output-format', 'json', '-'],
    { encoding: 'utf8', input: manifests, maxBuffer: 64 * 1024 * 1024 },
  );
  if (stdout === '') throw error ?? new Error(stderr);
  return (JSON.parse(stdout) as Scored[]).flatMap(({ object_name: object, checks }) =>
    checks
      .filter(({ grade, skipped }) => grade === critical && !skipped)
      .map(({ check, comments }) => ({
        object,
        check: check.id,
        comments: (comments ?? []).map(({ summary, path }) => `${path}: ${summary}`),
      })),
  );
}
