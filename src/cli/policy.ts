import { readFile } from 'node:fs/promises';
import { readPolicy } from '../processing/priority/policy-file';
import type { PolicyInput } from '../processing/priority/policy-input';
import { tryPolicy } from '../processing/priority/policy-trial';
import { RegoPolicy } from '../processing/priority/rego-policy';

/** `policy check FILE` and `policy eval FILE --input JSON`. Rejects with what is wrong with the policy. */
export async function runPolicy(
  action: string | undefined,
  file: string | undefined,
  input: string | undefined,
  opaPath: string,
): Promise<string> {
  if (file === undefined) throw new Error('policy: the file of the policy is missing');
  const compiled = await readPolicy(file, opaPath);
  await tryPolicy(compiled);
  const policy = new RegoPolicy(compiled);
  switch (action) {
    case 'check':
      return `${file} can be used`;
    case 'eval': {
      if (input === undefined) throw new Error('policy eval: --input with a JSON text, or a file of one, is missing');
      const verdict = policy.evaluate(
        parsed(input.trimStart().startsWith('{') ? input : await readFile(input, 'utf8')),
      );
      return 'priority' in verdict ? verdict.priority : `the table decides: ${verdict.failure} (${verdict.reason})`;
    }
    default:
      throw new Error(`policy: "${String(action)}" is none of check, eval`);
  }
}

function parsed(text: string): PolicyInput {
  try {
    return JSON.parse(text) as PolicyInput;
  } catch (error) {
    throw new Error(`policy eval: --input is no JSON: ${(error as Error).message}`, { cause: error });
  }
}
