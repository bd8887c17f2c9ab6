// Runs the tests that are run every day; arguments go to Jest: npm test -- test/e2e
import { closingLine, runTests } from './lib/jest.mjs';

const tests = runTests(process.argv.slice(2));
for (const note of tests.notes) console.log(note);
console.log(closingLine(tests));
process.exitCode = tests.ok ? 0 : 1;
