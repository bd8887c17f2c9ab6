// Known vulnerabilities of what runs in production; high and critical ones are a failure:
//
//   npm run audit
import { audit } from './lib/audit.mjs';

const { ok, lines } = audit();
for (const line of lines) console.log(line);
process.exitCode = ok ? 0 : 1;
