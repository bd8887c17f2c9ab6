import { cachedTool } from './cached-tool';

/** The opa binary: as scripts/lib/go-tools.mjs builds it, or on the PATH. */
export function opaBinary(): string {
  return cachedTool('opa', 'github.com/open-policy-agent/opa');
}
