import { randomUUID } from 'node:crypto';
import {
  maxNamedMembers,
  unknownAlert,
  type RecordedMembers,
  type StormMember,
  type StormTally,
} from '../../src/state/storm-members';
import { aFingerprint } from '../support/incident';
import { RedisServer } from '../support/redis-server';
import { subjects, type SignalStateSubject } from './signal-state.subjects';

const nothing: RecordedMembers = {
  alertCount: 0,
  resolvedCount: 0,
  totalAffectedResources: 0,
  lastMemberAt: 0,
  isQuiet: false,
  version: 0,
  writesApart: 0,
  ownApart: true,
  listed: [],
  listsAll: false,
  maybeTwice: 0,
};
/** When members of specs begin to fire, and end, unless they say otherwise. */
const began = 1_000_000;
const ended = 2_000_000;

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
    /** What the request says: what was written last. */
    let object: RecordedMembers;
    let lastWrite: Promise<unknown> = Promise.resolve();

    beforeAll(async () => {
      subject = await open(redis.addr);
    });
    beforeEach(() => {
      storm = randomUUID();
      object = nothing;
    });
    afterAll(() => subject.close());

    const member = (more: Partial<StormMember> = {}): StormMember => {
      const fingerprint = aFingerprint();
      return {
        fingerprint,
        resource: `Pod/${fingerprint}`,
        firing: true,
        alert: 'a',
        at: began,
        said: more.at ?? began,
        ...more,
      };
    };
    const many = (count: number, more?: Partial<StormMember>) => Array.from({ length: count }, () => member(more));
    const resolved = (members: readonly StormMember[], at = ended) =>
      members.map((one) => ({ ...one, firing: false, at, said: at }));
    const write = async (members: readonly StormMember[], recorded: RecordedMembers): Promise<StormTally> => {
      const tally = await subject.members.record(storm, recorded, members);
      const { alertCount, resolvedCount, totalAffectedResources, version, maybeTwice } = tally;
      object = { ...recorded, alertCount, resolvedCount, totalAffectedResources, version, maybeTwice, ownApart: true };
      return tally;
    };
    /** The API server lets one write after the other. */
    const tallyOf = (members: readonly StormMember[], recorded?: RecordedMembers) => {
      const written = lastWrite.then(() => write(members, recorded ?? object));
      lastWrite = written;
      return written;
    };
    /** Alerts, resolved ones, resources. */
    const record = async (members: readonly StormMember[], recorded?: RecordedMembers) => {
      const { alertCount, resolvedCount, totalAffectedResources } = await tallyOf(members, recorded);
      return [alertCount, resolvedCount, totalAffectedResources];
    };

    it('counts everybody once, however often it is recorded', async () => {
      const members = many(30);
      expect(await record(members)).toEqual([30, 0, 30]);
      expect(await record(members)).toEqual([30, 0, 30]);
      const tallies = await Promise.all(Array.from({ length: 20 }, () => record(many(10))));
      expect(tallies.map(([alerts]) => alerts)).toEqual(Array.from({ length: 20 }, (__, i) => 40 + 10 * i));
      expect(await tallyOf([])).toMatchObject({ alertCount: 230, approximate: false });
    });

    it('counts once what was recorded and never written', async () => {
      const members = many(3);
      await subject.members.record(storm, nothing, members);
      expect(await record(members, nothing)).toEqual([3, 0, 3]);
      expect(await record(many(1))).toEqual([4, 0, 4]);
    });

    it('counts distinct resources', async () => {
      expect(await record([...many(3, { resource: 'Pod/a' }), ...many(2, { resource: 'Pod/b' })])).toEqual([5, 0, 2]);
    });

    it('counts who has resolved, and who fires again', async () => {
      const members = many(3);
      await record(members);
      expect(await record(resolved(members.slice(0, 2)))).toEqual([3, 2, 3]);
      expect(await record(resolved(members.slice(0, 2)))).toEqual([3, 2, 3]);
      expect(await record(members.slice(0, 1).map((one) => ({ ...one, at: ended + 1, said: ended + 1 })))).toEqual([
        3, 1, 3,
      ]);
      expect(await record(resolved(members, ended + 2))).toEqual([3, 3, 3]);
    });

    it('tells how each stands, and who is none of them', async () => {
      const [one, other] = [member(), member()];
      await record([one, other]);
      const { firing, resolvedCount } = await tallyOf(resolved([one, member()]));
      expect([...firing]).toEqual([[one.fingerprint, false]]);
      expect(resolvedCount).toBe(1);
    });

    it('has a member resolve when none of its alerts fires any more', async () => {
      const one = member({ alert: 'first container' });
      const other = { ...one, alert: 'second container' };
      await record([one, other]);
      expect(await tallyOf(resolved([one]))).toMatchObject({
        resolvedCount: 0,
        firing: new Map([[one.fingerprint, true]]),
      });
      expect(await record(resolved([other]))).toEqual([1, 1, 1]);
    });

    it('counts who only occurred as firing until one of its alerts resolves, and no occurrence of who has alerts', async () => {
      const one = member();
      const occurred = { ...one, alert: unknownAlert };
      expect(await record([occurred])).toEqual([1, 0, 1]);
      expect(await record([one, occurred])).toEqual([1, 0, 1]);
      expect(await record(resolved([one]))).toEqual([1, 1, 1]);
      expect(await record([{ ...occurred, said: ended - 1 }])).toEqual([1, 1, 1]);
      expect(await record([{ ...occurred, said: ended + 1 }])).toEqual([1, 0, 1]);
      expect(await record(resolved([one], ended + 2))).toEqual([1, 1, 1]);
    });

    it('does not have who resolved fire by what was said before that, nor gives who fires an alert that was recorded before', async () => {
      const one = member();
      await record([one]);
      await record(resolved([one], ended));
      expect(await record([{ ...one, said: ended - 1 }])).toEqual([1, 1, 1]);
      expect(await record([{ ...one, said: 0, again: true }])).toEqual([1, 1, 1]);
      await record([
        { ...one, said: ended },
        { ...one, alert: 'b', said: ended, again: true },
      ]);
      expect(await record(resolved([one], ended + 1))).toEqual([1, 1, 1]);
    });

    it('tells who is a member without making one', async () => {
      const [one, other] = many(2);
      await record([one!]);
      await record(resolved(many(1)));
      const asked = [one!.fingerprint, other!.fingerprint];
      const { firing, alertCount } = await subject.members.record(storm, object, [], asked);
      expect([...firing]).toEqual([[one!.fingerprint, true]]);
      expect(alertCount).toBe(1);
    });

    it('does not take the end of an earlier firing for that of this one', async () => {
      const one = member();
      await record([one]);
      expect(await record(resolved([one], began - 1))).toEqual([1, 0, 1]);
    });

    it('counts once who has several alerts and no name, for which there is no room', async () => {
      const all = many(maxNamedMembers);
      for (let at = 0; at < all.length; at += 10_000) await record(all.slice(at, at + 10_000));
      const one = member();
      const alerts = ['x', 'y', 'z'].map((alert) => ({ ...one, alert }));
      expect(await record(alerts)).toEqual([maxNamedMembers + 1, 0, maxNamedMembers]);
    }, 30_000);

    it('keeps storms apart', async () => {
      await record(many(2));
      storm = randomUUID();
      expect(await record(many(1), nothing)).toEqual([1, 0, 1]);
    });

    describe('that lost its memory', () => {
      const lost = { ...nothing, lastMemberAt: began + 10, version: 7, ownApart: false };

      it('goes on exactly from a request that lists them all', async () => {
        const listed = [...many(3), ...many(2, { firing: false })];
        const recorded = { ...lost, alertCount: 5, resolvedCount: 2, totalAffectedResources: 5, listed };
        expect(await record([listed[0]!, member({ at: ended })], recorded)).toEqual([6, 2, 6]);
        expect(await tallyOf(resolved(listed))).toMatchObject({ resolvedCount: 5, approximate: false });
      });

      it('long after the last had joined, gives who began before the place of one whose name is lost', async () => {
        const recorded = { ...lost, isQuiet: true, alertCount: 10, totalAffectedResources: 10, listed: many(3) };
        const again = many(7);
        expect(await tallyOf(again, recorded)).toMatchObject({ alertCount: 10, approximate: true });
        expect(await record(many(2, { at: ended }))).toEqual([12, 0, 12]);
        expect(await record(resolved(again))).toEqual([12, 7, 12]);
      });

      it('in the middle of a storm counts who may be new, and knows in the end that all have resolved', async () => {
        const listed = many(3);
        const recorded = { ...lost, alertCount: 10, totalAffectedResources: 10, listed };
        const again = many(7);
        expect(await tallyOf(again, recorded)).toMatchObject({ alertCount: 17, approximate: true });
        const late = many(2, { at: ended });
        expect(await record(late)).toEqual([19, 0, 19]);
        expect(await record(resolved([...listed, ...again], ended + 1))).toEqual([19, 10, 19]);
        expect(await record(resolved(late, ended + 1))).toEqual([19, 19, 19]);
      });

      it('knows in the end that all have resolved, whatever their names', async () => {
        const recorded = { ...lost, alertCount: 5, resolvedCount: 2, totalAffectedResources: 5 };
        expect(await record(many(3, { firing: false, at: ended }), recorded)).toEqual([5, 5, 5]);
      });

      it('knows of who is counted and not listed, though all are, that he is counted twice', async () => {
        const listed = many(3);
        const recorded = { ...lost, alertCount: 5, totalAffectedResources: 5, listed, listsAll: true };
        expect(await record(resolved(listed.slice(0, 2)), recorded)).toEqual([5, 2, 5]);
        expect(await record(resolved(listed.slice(2)))).toEqual([5, 5, 5]);
      });

      it('tells of how many it may have counted twice, and goes on from what was told of that', async () => {
        const recorded = { ...lost, alertCount: 5, totalAffectedResources: 5, lastMemberAt: began + 10 };
        const again = many(2);
        expect(await tallyOf(again, recorded)).toMatchObject({ alertCount: 7, maybeTwice: 2 });
        const later = {
          ...recorded,
          alertCount: 7,
          totalAffectedResources: 7,
          maybeTwice: 2,
          isQuiet: true,
          version: object.version + 10,
          writesApart: 9,
          ownApart: false,
        };
        expect(await record(resolved(again), later)).toEqual([7, 2, 7]);
        expect(await record(many(3, { firing: false, at: ended }))).toEqual([7, 7, 7]);
      });

      it('begins anew when others have written without it', async () => {
        const members = many(20);
        await record(members);
        // Ten have resolved, and five have joined.
        const listed = members.map((one, i) => ({ ...one, firing: i >= 10 }));
        const others = { alertCount: 25, resolvedCount: 10, totalAffectedResources: 25, listed };
        const recorded = { ...object, ...others, lastMemberAt: began + 10, writesApart: 3, ownApart: false };
        expect(await record(resolved(members.slice(10, 11)), recorded)).toEqual([25, 11, 25]);
        expect(await record(resolved(members))).toEqual([25, 20, 25]);
        expect(await record(many(5, { firing: false, at: ended }))).toEqual([25, 25, 25]);
      });

      it('begins anew when it was put back to an earlier state', async () => {
        const members = many(5);
        await record(members);
        const recorded = { ...object, resolvedCount: 3, version: object.version + 10, ownApart: false };
        const listed = members.map((one, i) => ({ ...one, firing: i >= 3 }));
        expect(await record(resolved(members.slice(3, 4)), { ...recorded, listed })).toEqual([5, 4, 5]);
      });
    });
  });
});
