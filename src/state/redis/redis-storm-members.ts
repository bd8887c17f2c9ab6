import { createHash } from 'node:crypto';
import {
  membersLifeMs,
  type ListedMember,
  type RecordedMembers,
  type StormMember,
  type StormMembers,
  type StormTally,
} from '../storm-members';
import { membersScript } from './members.lua';
import type { RedisConnection } from './redis-connection';

/** The members that replicas share: a hash for each storm. */
export class RedisStormMembers implements StormMembers {
  constructor(
    private readonly connection: RedisConnection,
    private readonly keyPrefix: string,
  ) {}

  async record(
    storm: string,
    recorded: RecordedMembers,
    members: readonly StormMember[],
    asked: readonly string[] = [],
  ): Promise<StormTally> {
    const input = {
      n: recorded.alertCount,
      s: recorded.resolvedCount,
      r: recorded.totalAffectedResources,
      v: recorded.version,
      p: recorded.writesApart,
      l: recorded.lastMemberAt,
      q: recorded.isQuiet ? 1 : 0,
      listed: recorded.listed.map(encode),
      d: recorded.maybeTwice,
      all: recorded.listsAll ? 1 : 0,
      members: members.map((member) => ({
        ...encode(member),
        x: member.alert,
        t: member.at,
        w: member.said,
        again: member.again,
      })),
      asked: asked.map(shortened),
    };
    const [alertCount, resolvedCount, resources, approximate, maybeTwice, version, ...states] =
      await this.connection.run(membersScript, {
        keys: [`${this.keyPrefix}:v1:storm:{${digest(storm)}}:members`],
        common: [membersLifeMs],
        each: [[JSON.stringify(input)]],
      });
    return {
      alertCount: Number(alertCount),
      resolvedCount: Number(resolvedCount),
      totalAffectedResources: Number(resources),
      approximate: approximate === 1,
      maybeTwice: Number(maybeTwice),
      version: Number(version),
      apart: false,
      firing: new Map(
        [...members.map(({ fingerprint }) => fingerprint), ...asked].flatMap((fingerprint, i) =>
          states[i] === -1 ? [] : [[fingerprint, states[i] === 1] as const],
        ),
      ),
    };
  }
}

function encode({ fingerprint, resource, firing }: ListedMember) {
  return { f: shortened(fingerprint), r: digest(resource).slice(0, 16), on: firing };
}

/** Half of a SHA-256 tells them apart as well, and takes half of the memory. */
function shortened(fingerprint: string): string {
  return fingerprint.slice(0, 32);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
