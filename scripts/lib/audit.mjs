import { spawnSync } from 'node:child_process';

const failing = ['high', 'critical'];

/** Asks the registry whether a package that runs in production is known to be vulnerable. */
export function audit() {
  // One try: whoever has no registry that answers this is not to wait for it.
  const args = ['audit', '--omit=dev', '--audit-level=high', '--json', '--fetch-retries=0', '--fetch-timeout=20000'];
  const { error, stdout } = spawnSync('npm', args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return error ? notAsked(error.message) : verdictOf(stdout);
}

/**
 * What npm's answer means. Only an answer can fail: a registry that cannot be reached, or does not know the question, says
 * nothing about packages.
 */
export function verdictOf(stdout) {
  let answer;
  try {
    answer = JSON.parse(stdout);
  } catch {
    return notAsked('npm answers no JSON');
  }
  const counts = answer.metadata?.vulnerabilities;
  if (counts === undefined) return notAsked(answer.message ?? answer.error?.summary ?? 'npm does not say why');
  const known = Object.entries(counts)
    .filter(([severity, count]) => severity !== 'total' && count > 0)
    .map(([severity, count]) => `${count} ${severity}`);
  const found = Object.values(answer.vulnerabilities ?? {})
    .filter(({ severity }) => failing.includes(severity))
    .map(({ name, severity, via }) => `${name} (${severity}): ${titles(via)}`);
  const line = `audit: known vulnerabilities of packages that run: ${known.join(', ') || 'none'}`;
  return { ok: failing.every((severity) => !counts[severity]), lines: [line, ...found] };
}

/** The advisories themselves; a text only names a package further down. */
function titles(via) {
  return via.map((one) => (typeof one === 'string' ? `by ${one}` : `${one.title} ${one.url}`)).join('; ');
}

/** Without addresses: whose registry it is belongs into nobody's log. */
function notAsked(reason) {
  const short = reason
    .replace(/\s*-?\s*(GET|POST|to)? https?:\/\/\S+/g, '')
    .replace(/(\d{1,3}\.){3}\d{1,3}(:\d+)?/g, '')
    .trim();
  return { ok: true, lines: [`audit: nothing is known, the registry does not answer npm audit (${short})`] };
}
