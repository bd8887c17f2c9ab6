import { randomUUID } from 'node:crypto';
import type { RecordedMembers, StormMember } from '../../src/state/storm-members';
import { aFingerprint } from '../support/incident';
import { RedisServer } from '../support/redis-server';
import { subjects, type SignalStateSubject } from './signal-state.subjects';

// Each case has storms of its own, so nothing is ever cleaned.
describe('StormMembers', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  describe.each(subjects)('%s', (_, open) => {
    let subject: SignalStateSubject;
    let storm: string;
    beforeAll(async () => {
      subject = await open(redis.addr);
    });
    beforeEach(() => (storm = randomUUID()));
    afterAll(() => subject.close());

    const member = (more: Partial<StormMember> = {}): StormMember => {
      const fingerprint = aFingerprint();
      return { fingerprint, resource: `Pod/${fingerprint}`, firing: true, ...more };
    };
    const many = (count: number, more?: Partial<StormMember>) => Array.from({ length: count }, () => member(more));
    const nothing: RecordedMembers = {
      alertCount: 0,
      resolvedCount: 0,
      totalAffectedResources: 0,
      countedApart: 0,
      listed: [],
    };
    /** What the request says: what was written last. */
    let object: RecordedMembers;
    let lastWrite: Promise<unknown> = Promise.resolve();
    beforeEach(() => (object = nothing));
    const write = async (members: readonly StormMember[], recorded: RecordedMembers) => {
      const tally = await subject.members.record(storm, recorded, members);
      subject.members.settle(storm, members);
      object = { ...tally, listed: recorded.listed };
      return [tally.alertCount, tally.resolvedCount, tally.totalAffectedResources, tally.approximate];
    };
    /** The API server lets one write after the other. */
    const record = (members: readonly StormMember[], recorded?: RecordedMembers) => {
      const written = lastWrite.then(() => write(members, recorded ?? object));
      lastWrite = written;
      return written;
    };
    const resolved = (members: readonly StormMember[]) => members.map((one) => ({ ...one, firing: false }));

    it('counts everybody once, however often it is recorded', async () => {
      const members = many(30);
      expect(await record(members)).toEqual([30, 0, 30, false]);
      expect(await record(members)).toEqual([30, 0, 30, false]);
      const tallies = await Promise.all(Array.from({ length: 20 }, () => record(many(10))));
      expect(tallies.map(([alerts]) => alerts).toSorted()).toEqual(
        Array.from({ length: 20 }, (__, i) => 40 + 10 * i).toSorted(),
      );
      expect(await record([])).toEqual([230, 0, 230, false]);
    });

    it('counts distinct resources', async () => {
      expect(await record([...many(3, { resource: 'Pod/a' }), ...many(2, { resource: 'Pod/b' })])).toEqual([
        5,
        0,
        2,
        false,
      ]);
    });

    it('counts who has resolved, and who fires again', async () => {
      const members = many(3);
      await record(members);
      expect(await record(resolved(members.slice(0, 2)))).toEqual([3, 2, 3, false]);
      expect(await record(resolved(members.slice(0, 2)))).toEqual([3, 2, 3, false]);
      expect(await record(members.slice(0, 1))).toEqual([3, 1, 3, false]);
      expect(await record(resolved(members))).toEqual([3, 3, 3, false]);
    });

    it('does not know who resolves and was never part of it', async () => {
      await record(many(2));
      expect(await record(resolved(many(1)))).toEqual([2, 0, 2, false]);
    });

    it('keeps storms apart', async () => {
      await record(many(2));
      storm = randomUUID();
      expect(await record(many(1), nothing)).toEqual([1, 0, 1, false]);
    });

    describe('that lost its memory', () => {
      it('goes on exactly from a request that lists them all', async () => {
        const listed = [...many(3), ...many(2, { firing: false })];
        const recorded = { alertCount: 5, resolvedCount: 2, totalAffectedResources: 5, countedApart: 0, listed };
        expect(await record([listed[0]!, member()], recorded)).toEqual([6, 2, 6, false]);
        expect(await record(resolved(listed))).toEqual([6, 5, 6, false]);
      });

      it('goes on from the counts of those whose names are lost, and says that it is not exact', async () => {
        const listed = many(3);
        const recorded = { alertCount: 10, resolvedCount: 4, totalAffectedResources: 9, countedApart: 0, listed };
        expect(await record(many(2), recorded)).toEqual([12, 4, 11, true]);
        // One of them resolves: it is named from here on.
        expect(await record(many(1, { firing: false }))).toEqual([12, 5, 11, true]);
      });

      it('knows in the end that all have resolved', async () => {
        const recorded = { alertCount: 3, resolvedCount: 1, totalAffectedResources: 3, countedApart: 0, listed: [] };
        await record([], recorded);
        expect(await record(many(2, { firing: false }))).toEqual([3, 3, 3, true]);
      });

      it('counts what others count without it, in whatever order they write', async () => {
        await record(many(4));
        const others = (count: number) => {
          object = { ...object, alertCount: object.alertCount + count, countedApart: object.countedApart + count };
        };
        others(3);
        expect((await record(many(2))).slice(0, 1)).toEqual([9]);
        // It is recorded, and others write first.
        const late = many(5);
        await subject.members.record(storm, object, late);
        others(20);
        expect((await record(late)).slice(0, 1)).toEqual([34]);
        expect(object.countedApart).toBeGreaterThanOrEqual(23);
      });

      it('counts what others counted meanwhile', async () => {
        await record(many(4));
        const recorded = { alertCount: 6, resolvedCount: 0, totalAffectedResources: 6, countedApart: 0, listed: [] };
        expect(await record(many(1), recorded)).toEqual([7, 0, 7, true]);
      });
    });
  });
});
