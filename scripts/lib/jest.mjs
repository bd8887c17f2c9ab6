import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { run } from './command.mjs';
import { absentTools } from './tools.mjs';

/** Of a run of many files, so many that failed are run once more. More of them is no accident. */
const mostAgain = 3;

/**
 * Runs the tests that Jest's arguments select, all without any. Specs whose tool is absent are left out; they count as skipped.
 * Answers the counts, whether that is a success, and as notes what else there is to say of the run.
 *
 * A few files that fail among many are run once more, alone: specs start processes and wait for them, and beside others a slow machine can
 * stand still for longer than what they try allows. A note names each test that passed only then.
 */
export function runTests(args) {
  const { specs: leftOut, notes } = specsWithoutTool(args);
  const ignored = leftOut.flatMap((spec) => ['--testPathIgnorePatterns', literally(spec)]);
  const first = jestResults([...args, '--passWithNoTests', ...ignored], 'inherit');
  const again = failedAmongMany(first.results);
  const second = again.length === 0 ? undefined : jestResults(['--runInBand', '--runTestsByPath', ...again], 'inherit');
  if (second !== undefined) notes.push(...passedAlone(first.results, second.results));
  const { passed, failed, pending } = second === undefined ? countsOf(first.results) : together(first, second, again);
  const skipped = pending + countTests(leftOut);
  const { status } = second ?? first;
  if (passed === 0) notes.push('no test has passed');
  // CI can install every tool; there, a test that is left out hides a fault.
  const incomplete = leftOut.length > 0 && Boolean(process.env.CI);
  if (incomplete) notes.push('in CI no test may be left out');
  return { passed, failed, skipped, notes, ok: status === 0 && failed === 0 && passed > 0 && !incomplete };
}

function failedAmongMany({ testResults }) {
  const failed = testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
  return testResults.length > 10 * failed.length && failed.length <= mostAgain ? failed : [];
}

function passedAlone(first, second) {
  const failedOf = ({ testResults }) =>
    testResults.flatMap(({ name, assertionResults }) =>
      assertionResults
        .filter(({ status }) => status === 'failed')
        .map(({ fullName }) => `${relative('.', name)}: ${fullName}`),
    );
  const stillFailed = failedOf(second);
  return failedOf(first)
    .filter((test) => !stillFailed.includes(test))
    .map((test) => `failed beside other specs, passed alone: ${test}`);
}

/** A file that cannot be loaded has failed, though Jest counts no failed test for it. */
function countsOf(results) {
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
    pending: results.numPendingTests + results.numTodoTests,
  };
}

/** The counts of both runs, those of files that were run again by the second alone. */
function together(first, second, again) {
  const replaced = first.results.testResults
    .filter(({ name }) => again.includes(name))
    .flatMap(({ assertionResults }) => assertionResults);
  const count = (...wanted) => replaced.filter(({ status }) => wanted.includes(status)).length;
  const [all, anew] = [countsOf(first.results), countsOf(second.results)];
  return {
    passed: all.passed - count('passed') + anew.passed,
    failed: anew.failed,
    pending: all.pending - count('pending', 'todo', 'skipped', 'disabled') + anew.pending,
  };
}

/** The last line of a run, in the form that readers of test runs know: `tests: N passed, N failed[, N skipped]`. */
export function closingLine({ passed, failed, skipped }) {
  return `tests: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function specsWithoutTool(args) {
  const absent = absentTools();
  if (absent.length === 0) return { specs: [], notes: [] };
  const selected = listTests(args);
  const perTool = absent
    .map((tool) => ({
      ...tool,
      specs: listTests(['--findRelatedTests', tool.support]).filter((spec) => selected.includes(spec)),
    }))
    .filter(({ specs }) => specs.length > 0);
  return {
    specs: [...new Set(perTool.flatMap(({ specs }) => specs))],
    notes: perTool.map(
      ({ name, specs, debianPackage }) =>
        `left out: ${specs.length} of ${selected.length} test files, for there is no ${name}${debianPackage ? ` (Debian: ${debianPackage})` : ''}`,
    ),
  };
}

function listTests(args) {
  return JSON.parse(run('npm', [...jest, '--listTests', '--json', ...args]));
}

/** How many tests these files hold: with a name that none has, Jest loads them and runs nothing. */
function countTests(specs) {
  if (specs.length === 0) return 0;
  const { results } = jestResults(['--testNamePattern', '(?!)', '--runTestsByPath', ...specs], 'ignore');
  return results.numTotalTests;
}

function jestResults(args, output) {
  const folder = mkdtempSync(join(tmpdir(), 'jest-results-'));
  const file = join(folder, 'results.json');
  try {
    // With --json Jest reports to people on stderr; stdout would only name the file. A spec that failed may leave a server or a
    // timer behind: that is to be a failed test in the report, and not a run that never ends.
    const { status } = spawnSync('npm', [...jest, '--forceExit', '--json', '--outputFile', file, ...args], {
      stdio: ['ignore', 'ignore', output],
    });
    return { status, results: JSON.parse(readFileSync(file, 'utf8')) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const jest = ['run', '--silent', 'jest', '--'];

function literally(path) {
  return `^${path.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`;
}
