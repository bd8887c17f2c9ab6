// Asks the registry whether anything that runs in production has a known vulnerability of high severity: npm run audit
import { spawnSync } from 'node:child_process';

const { status, stdout, stderr } = spawnSync('npm', ['audit', '--omit=dev', '--audit-level=high', '--json'], {
  encoding: 'utf8',
});
let report;
try {
  report = JSON.parse(stdout);
} catch {
  report = {};
}
if (report.metadata === undefined) {
  // A registry of one's own may not know of advisories: that is no word on the packages.
  const reason = report.message ?? /npm (?:warn|error) (.*)/.exec(stderr)?.[1] ?? 'no answer';
  console.log(`not audited: this registry does not tell (${reason.split(' - ')[0]})`);
} else if (status === 0) {
  const { info = 0, low = 0, moderate = 0 } = report.metadata.vulnerabilities;
  console.log(`nothing of high severity; less severe: ${info + low + moderate}`);
} else {
  for (const [name, { severity, range }] of Object.entries(report.vulnerabilities))
    console.log(`${name} ${range}: ${severity}`);
  process.exitCode = 1;
}
