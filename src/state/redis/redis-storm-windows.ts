import {
  maxRemembered,
  type Placement,
  type StormGroup,
  type StormRules,
  type StormType,
  type StormWindows,
} from '../storm-windows';
import { closeScript } from './close.lua';
import { placeScript } from './place.lua';
import type { RedisConnection } from './redis-connection';

interface Answer {
  readonly places: readonly (0 | 1 | 2)[];
  readonly type: StormType;
  readonly openedAt: number;
  readonly lastMemberAt: number;
  readonly before?: readonly string[];
}

/** The windows that replicas share. All groups of a webhook are one script and one round trip; the time is Redis's own. */
export class RedisStormWindows implements StormWindows {
  constructor(
    private readonly connection: RedisConnection,
    private readonly keyPrefix: string,
  ) {}

  async place(groups: readonly StormGroup[], rules: StormRules): Promise<(readonly Placement[])[]> {
    if (groups.length === 0) return [];
    const reply = await this.connection.run(placeScript, {
      keys: groups.flatMap(({ key }) => this.keysOf(key)),
      keysEach: 2,
      common: [
        rules.rateThreshold,
        rules.rateWindowMs,
        rules.patternThreshold,
        rules.patternWindowMs,
        rules.similarityThreshold,
        rules.aggregationWindowMs,
        rules.maxWindowMs,
        maxRemembered(rules),
      ],
      each: groups.map(({ candidates, known, overSince }) => [
        JSON.stringify({
          candidates: candidates.map(({ fingerprint, resource, tokens }) => ({
            f: fingerprint,
            r: resource,
            t: tokens,
          })),
          known,
          overSince,
        }),
      ]),
    });
    return reply.map((answer) => placementsOf(answer as Answer));
  }

  async close(key: string): Promise<void> {
    await this.connection.run(closeScript, { keys: this.keysOf(key), keysEach: 2, common: [], each: [[]] });
  }

  /** In a Redis Cluster, all keys of a group live in one slot. */
  private keysOf(key: string): string[] {
    const group = `${this.keyPrefix}:v1:storm:{${key.slice(0, 32)}}`;
    return [`${group}:rate`, `${group}:window`];
  }
}

const ordinary: Placement = { kind: 'ordinary' };

function placementsOf({ places, type, openedAt, lastMemberAt, before = [] }: Answer): Placement[] {
  const window = { type, openedAt, lastMemberAt };
  return places.map((place) => {
    switch (place) {
      case 0:
        return ordinary;
      case 1:
        return { kind: 'crossing', window, before };
      case 2:
        return { kind: 'member', window };
    }
  });
}
