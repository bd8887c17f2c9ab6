import { readFile } from 'node:fs/promises';
import { readPolicy } from '../processing/priority/policy-file';
import type { PolicyInput } from '../processing/priority/policy-input';
import { probeInputs, tryPolicy } from '../processing/priority/policy-trial';
import { RegoPolicy } from '../processing/priority/rego-policy';

/** `policy check FILE` and `policy eval FILE --input JSON`. Rejects with what is wrong with the policy. */
export async function runPolicy(
  action: string | undefined,
  file: string | undefined,
  input: string | undefined,
  opaPath: string,
): Promise<string> {
  if (action !== 'check' && action !== 'eval')
    throw new Error(`policy: ${action === undefined ? 'it takes' : `"${action}" is none of`} check, eval`);
  if (file === undefined) throw new Error(`policy ${action}: the file of the policy is missing`);
  const given = action === 'eval' ? await inputOf(input) : undefined;
  const compiled = await readPolicy(file, opaPath);
  await tryPolicy(compiled);
  const policy = new RegoPolicy(compiled);
  if (given === undefined) return `${file} can be used${trialOf(policy)}`;
  const verdict = policy.evaluate(given);
  return 'priority' in verdict ? verdict.priority : `the table decides: ${verdict.failure} (${verdict.reason})`;
}

/** What it makes of signals of every kind. */
function trialOf(policy: RegoPolicy): string {
  const verdicts = probeInputs().map((input) => policy.evaluate(input));
  const undecided = verdicts.filter((verdict) => 'failure' in verdict);
  const [first] = undecided;
  if (first === undefined) return `: it decides all ${verdicts.length} signals that it was tried on`;
  const decided = verdicts.length - undecided.length;
  return `: it decides ${decided} of the ${verdicts.length} signals that it was tried on, the table decides the others (${first.failure}: ${first.reason})`;
}

async function readInput(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`policy eval --input: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
}

async function inputOf(input: string | undefined): Promise<PolicyInput> {
  if (input === undefined) throw new Error('policy eval: --input with a JSON text, or a file of one, is missing');
  const text = /^\s*[{["]/.test(input) ? input : await readInput(input);
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw new Error(`policy eval: --input is no JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw new Error('policy eval: --input must be an object, as policies/input.schema.json describes');
  return read as PolicyInput;
}
