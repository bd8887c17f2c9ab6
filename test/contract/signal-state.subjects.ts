import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/clock';
import { createSignalState, type OpenSignalState, type RedisStateOptions } from '../../src/state/create-signal-state';

/** An implementation under test. Its entries live `ttlMs` after their last sighting, its claims `leaseMs`. */
export interface SignalStateSubject extends OpenSignalState {
  readonly ttlMs: number;
  readonly leaseMs: number;
  /** What a second of the rules of a storm lasts. Milliseconds. */
  readonly secondMs: number;
  /** Lets time pass for the state: sets its clock, or waits. */
  advance(ms: number): Promise<void>;
}

/** Every implementation, each opened with the address of a Redis that is up. */
export const subjects: readonly (readonly [name: string, open: (addr: string) => Promise<SignalStateSubject>])[] = [
  ['embedded', () => Promise.resolve(inThisProcess())],
  ['Redis', (addr) => inRedis(addr, 'reject')],
  ['Redis or this process, Redis up', (addr) => inRedis(addr, 'degrade')],
  // Nothing listens on this port.
  ['Redis or this process, Redis down', () => Promise.resolve(inThisProcess(toRedis('127.0.0.1:1', 'degrade')))],
];

function inThisProcess(redis?: RedisStateOptions): SignalStateSubject {
  let now = Date.parse('2025-10-04T10:00:00Z');
  const lives = { ttlMs: 300_000, leaseMs: 10_000 };
  const clock = { now: () => now };
  const opened = createSignalState({
    ...lives,
    clock,
    redis,
    cleanupIntervalMs: 60_000,
    onRedisChange: () => undefined,
  });
  return {
    ...opened,
    ...lives,
    secondMs: 1_000,
    advance: (ms) => {
      now += ms;
      return Promise.resolve();
    },
  };
}

async function inRedis(addr: string, onFailure: RedisStateOptions['onFailure']): Promise<SignalStateSubject> {
  // Long enough that a slow machine does not let them pass within a case, short enough to be waited for.
  const lives = { ttlMs: 1_000, leaseMs: 400 };
  const opened = createSignalState({
    ...lives,
    redis: toRedis(addr, onFailure),
    clock: systemClock,
    cleanupIntervalMs: 60_000,
    onRedisChange: () => undefined,
  });
  await opened.connection?.whenUp();
  return { ...opened, ...lives, secondMs: 20, advance: (ms) => delay(ms) };
}

function toRedis(addr: string, onFailure: RedisStateOptions['onFailure']): RedisStateOptions {
  return { addr, db: 0, dialTimeoutMs: 5_000, commandTimeoutMs: 2_000, onFailure, keyPrefix: 'contract' };
}
