import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './command.mjs';
import { absentTools } from './tools.mjs';

/**
 * Runs the tests that Jest's arguments select, all without any. Specs whose tool is absent are left out; they count as skipped.
 * Answers the counts, whether that is a success, and as notes what else there is to say of the run.
 */
export function runTests(args) {
  const { specs: leftOut, notes } = specsWithoutTool(args);
  const ignored = leftOut.flatMap((spec) => ['--testPathIgnorePatterns', literally(spec)]);
  const { status, results } = jestResults([...args, '--passWithNoTests', ...ignored], 'inherit');
  // A file that cannot be loaded has failed, though Jest counts no failed test for it.
  const passed = results.numPassedTests;
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  const skipped = results.numPendingTests + results.numTodoTests + countTests(leftOut);
  if (passed === 0) notes.push('no test has passed');
  // CI can install every tool; there, a test that is left out hides a fault.
  const incomplete = leftOut.length > 0 && Boolean(process.env.CI);
  if (incomplete) notes.push('in CI no test may be left out');
  return { passed, failed, skipped, notes, ok: status === 0 && failed === 0 && passed > 0 && !incomplete };
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
