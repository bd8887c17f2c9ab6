// The share of a core that a process may use, as a container has it: a control group with a quota of the completely fair scheduler.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const periodMicros = 100_000;
const root = '/sys/fs/cgroup';
/** Version 1 has a hierarchy of its own for processors. */
const isFirst = existsSync(join(root, 'cpu/cpu.cfs_quota_us'));

const prefix = 'kubernaut-gateway-load-';
let made = 0;

export class CpuQuota {
  folder;

  /** @throws Error where control groups are not ours to make */
  constructor(cores) {
    made += 1;
    const parent = join(root, isFirst ? 'cpu' : '');
    this.folder = join(parent, `${prefix}${process.pid}-${made}`);
    removeAbandoned(parent);
    if (!isFirst) writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu');
    mkdirSync(this.folder);
    if (isFirst) {
      this.write('cpu.cfs_period_us', periodMicros);
      this.write('cpu.cfs_quota_us', cores * periodMicros);
    } else this.write('cpu.max', `${cores * periodMicros} ${periodMicros}`);
  }

  add(pid) {
    this.write('cgroup.procs', pid);
  }

  /** Periods so far in which it ran, and in how many of them it had to stop. */
  get periods() {
    const text = readFileSync(join(this.folder, 'cpu.stat'), 'utf8');
    const of = (name) => Number(new RegExp(`${name} (\\d+)`).exec(text)[1]);
    return { all: of('nr_periods'), throttled: of('nr_throttled') };
  }

  /** When its processes have ended. */
  remove() {
    rmdirSync(this.folder);
  }

  write(file, value) {
    writeFileSync(join(this.folder, file), String(value));
  }
}

/** Those of measurements that were killed. */
function removeAbandoned(parent) {
  for (const name of readdirSync(parent).filter((found) => found.startsWith(prefix))) {
    const [pid] = name.slice(prefix.length).split('-');
    if (!existsSync(`/proc/${pid}`)) rmdirSync(join(parent, name));
  }
}
