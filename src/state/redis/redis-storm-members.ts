import { createHash } from 'node:crypto';
import {
  membersLifeMs,
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

  async record(storm: string, recorded: RecordedMembers, members: readonly StormMember[]): Promise<StormTally> {
    const digest = createHash('sha256').update(storm).digest('hex').slice(0, 32);
    const input = {
      n: recorded.alertCount,
      s: recorded.resolvedCount,
      r: recorded.totalAffectedResources,
      p: recorded.countedApart,
      listed: recorded.listed.map(encode),
      members: members.map(encode),
    };
    const [alerts, resolved, resources, approximate] = await this.connection.run(membersScript, {
      keys: [`${this.keyPrefix}:v1:storm:{${digest}}:members`],
      common: [membersLifeMs],
      each: [[JSON.stringify(input)]],
    });
    return {
      alertCount: Number(alerts),
      resolvedCount: Number(resolved),
      totalAffectedResources: Number(resources),
      countedApart: recorded.countedApart,
      approximate: approximate === 1,
    };
  }

  settle(): void {
    // Everybody was recorded for all replicas.
  }
}

function encode({ fingerprint, resource, firing }: StormMember) {
  // Half of a SHA-256 tells them apart as well, and takes half of the memory.
  return { f: fingerprint.slice(0, 32), r: resource, on: firing };
}
