// All that a change must pass, a line a step with its time. Every step runs, whatever the ones before it said.
import { run, seconds, timed } from './lib/command.mjs';
import { closingLine, runTests } from './lib/jest.mjs';

const start = performance.now();
const failures = [];

for (const script of [
  'build',
  'typecheck',
  'lint',
  'lint:format',
  'lint:imports',
  'generate:check',
  'check:requirements',
  'audit',
]) {
  try {
    const told = timed(script, () => run('npm', ['run', '--silent', script])).trim();
    if (script === 'audit') console.log(`  ${told}`);
  } catch (error) {
    console.log(error.message.trim());
    failures.push(script);
  }
}

const testsStart = performance.now();
const tests = runTests([]);
console.log(`test ... ${seconds(performance.now() - testsStart)}`);
if (!tests.ok) failures.push('test');

console.log();
for (const note of tests.notes) console.log(note);
const verdict = failures.length === 0 ? 'all steps passed' : `failed: ${failures.join(', ')}`;
console.log(`${verdict} (${seconds(performance.now() - start)})`);
console.log(closingLine(tests));
process.exitCode = failures.length === 0 ? 0 : 1;
