import { randomUUID } from 'node:crypto';
import type { Placement, StormCandidate, StormRules, StormWindow } from '../../src/state/storm-windows';
import { aFingerprint } from '../support/incident';
import { RedisServer } from '../support/redis-server';
import { subjects, type SignalStateSubject } from './signal-state.subjects';

// Each case has groups of its own, so nothing is ever cleaned.
describe('StormWindows', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  describe.each(subjects)('%s', (_, open) => {
    let subject: SignalStateSubject;
    let rules: StormRules;
    let key: string;
    const seconds = (count: number) => subject.advance(count * subject.secondMs);

    beforeAll(async () => {
      subject = await open(redis.addr);
    });
    beforeEach(() => {
      key = randomUUID();
      const { secondMs } = subject;
      rules = {
        rateThreshold: 10,
        rateWindowMs: 60 * secondMs,
        patternThreshold: 100,
        patternWindowMs: 120 * secondMs,
        similarityThreshold: 0.8,
        aggregationWindowMs: 60 * secondMs,
        maxWindowMs: 900 * secondMs,
      };
    });
    afterAll(() => subject.close());

    const candidate = (more: Partial<StormCandidate> = {}): StormCandidate => {
      const fingerprint = aFingerprint();
      return { fingerprint, resource: `Pod/${fingerprint}`, tokens: [], ...more };
    };
    const many = (count: number, more?: Partial<StormCandidate>) =>
      Array.from({ length: count }, () => candidate(more));
    const place = async (candidates: readonly StormCandidate[], known?: StormWindow, overSince?: number) => {
      const [placements = []] = await subject.storms.place([{ key, candidates, known, overSince }], rules);
      return placements;
    };
    const kinds = async (candidates: readonly StormCandidate[]) => (await place(candidates)).map(({ kind }) => kind);
    const toldBy = (placement?: Placement) => (placement?.kind === 'crossing' ? placement.before.toSorted() : []);
    const times = (count: number, kind: Placement['kind']) => Array.from({ length: count }, () => kind);

    describe('rate', () => {
      it('is no storm at the threshold, and one with one more; what follows are its members', async () => {
        expect(await kinds(many(10))).toEqual(times(10, 'ordinary'));
        expect(await kinds(many(1))).toEqual(['crossing']);
        expect(await kinds(many(3))).toEqual(times(3, 'member'));
      });

      it('is noticed in the middle of a batch, and tells what was before it', async () => {
        const before = many(10);
        const [, ...rest] = await place([...before, ...many(5)]);
        expect(rest.map(({ kind }) => kind)).toEqual([...times(9, 'ordinary'), 'crossing', ...times(4, 'member')]);
        expect(rest[9]).toMatchObject({ kind: 'crossing', window: { type: 'rate' } });
        expect(toldBy(rest[9])).toEqual(before.map(({ fingerprint }) => fingerprint).toSorted());
      });

      it('counts a fingerprint once, however often it is placed', async () => {
        const known = many(10);
        for (let i = 0; i < 5; i++) expect(await kinds(known)).toEqual(times(10, 'ordinary'));
        expect(await kinds(many(1))).toEqual(['crossing']);
      });

      it('slides: what is older than the window no longer counts', async () => {
        await place(many(5));
        await seconds(40);
        await place(many(5));
        await seconds(25);
        expect(await kinds(many(5))).toEqual(times(5, 'ordinary'));
        expect(await kinds(many(1))).toEqual(['crossing']);
      });

      it('is a matter of one group', async () => {
        await place(many(10));
        const other = { key: randomUUID(), candidates: many(10) };
        const both = await subject.storms.place([other, { key, candidates: many(1) }], rules);
        expect(both.map((placements) => placements.map(({ kind }) => kind))).toEqual([
          times(10, 'ordinary'),
          ['crossing'],
        ]);
      });
    });

    describe('pattern', () => {
      const labels = ['job=api', 'severity=critical', 'container=app', 'image=api:#', 'team=payments'];
      beforeEach(() => {
        rules = { ...rules, rateThreshold: 100, patternThreshold: 5 };
      });

      it('is more than so many distinct resources with alike labels', async () => {
        const before = many(5, { tokens: labels });
        expect(await kinds(before)).toEqual(times(5, 'ordinary'));
        const [crossing] = await place([candidate({ tokens: labels })]);
        expect(crossing).toMatchObject({ kind: 'crossing', window: { type: 'pattern' } });
        expect(toldBy(crossing)).toEqual(before.map(({ fingerprint }) => fingerprint).toSorted());
      });

      it('counts a resource once', async () => {
        expect(await kinds(many(20, { tokens: labels, resource: 'Pod/a' }))).toEqual(times(20, 'ordinary'));
      });

      it('is alike from the threshold on, and not below it', async () => {
        // 4 of 5, and 3 of 5 in common.
        await place(many(5, { tokens: labels }));
        expect(await kinds([candidate({ tokens: [...labels.slice(0, 3), 'x=1', 'y=2'] })])).toEqual(['ordinary']);
        expect(await kinds([candidate({ tokens: labels.slice(0, 4) })])).toEqual(['crossing']);
      });

      it('slides with a window of its own', async () => {
        await place(many(5, { tokens: labels }));
        await seconds(100);
        expect(await kinds(many(1, { tokens: labels }))).toEqual(['crossing']);
        key = randomUUID();
        await place(many(5, { tokens: labels }));
        await seconds(125);
        expect(await kinds(many(1, { tokens: labels }))).toEqual(['ordinary']);
      });

      it('forgets the oldest of very many that are not alike', async () => {
        for (let i = 0; i < 90; i++) await place([candidate({ tokens: [`only=${i}`] })]);
        expect(await kinds([candidate({ tokens: ['only=0'] })])).toEqual(['ordinary']);
        await place(many(4, { tokens: labels }));
        expect(await kinds(many(2, { tokens: labels }))).toEqual(['ordinary', 'crossing']);
      });
    });

    describe('window', () => {
      it('closes after so long without a member, and counts anew', async () => {
        await place(many(11));
        await seconds(50);
        expect(await kinds(many(1))).toEqual(['member']);
        await seconds(50);
        expect(await kinds(many(1))).toEqual(['member']);
        await seconds(65);
        expect(await kinds(many(10))).toEqual(times(10, 'ordinary'));
        expect(await kinds(many(1))).toEqual(['crossing']);
      });

      it('closes at the latest after so long', async () => {
        rules = { ...rules, maxWindowMs: 90 * subject.secondMs };
        await place(many(11));
        await seconds(50);
        expect(await kinds(many(1))).toEqual(['member']);
        await seconds(45);
        expect(await kinds(many(1))).toEqual(['ordinary']);
      });

      it('is closed when its storm is over', async () => {
        await place(many(11));
        await subject.storms.close(key);
        expect(await kinds(many(10))).toEqual(times(10, 'ordinary'));
        expect(await kinds(many(1))).toEqual(['crossing']);
      });

      it('has closed when the storm that it was of is over, and not when one before that was', async () => {
        const [crossing] = await place(many(11)).then((placements) => placements.slice(-1));
        const { openedAt } = (crossing as { window: StormWindow }).window;
        const [member] = await place(many(1), undefined, openedAt - 1);
        expect(member?.kind).toBe('member');
        expect((await place(many(10), undefined, openedAt)).map(({ kind }) => kind)).toEqual(times(10, 'ordinary'));
        expect(await kinds(many(1))).toEqual(['crossing']);
      });

      it.each([
        ['a rate', { rateThreshold: 5, patternThreshold: 100 }],
        ['a pattern', { rateThreshold: 100, patternThreshold: 5 }],
      ])('by %s does not take who was counted as ordinary before it', async (_name, thresholds) => {
        rules = { ...rules, ...thresholds };
        const before = many(5);
        const [crossing, member] = many(2);
        await place([...before, crossing!]);
        expect(await kinds([...before, crossing!, member!])).toEqual([...times(5, 'ordinary'), 'member', 'member']);
        await seconds(50);
        // Nor is it open for longer by that.
        expect(await kinds(before)).toEqual(times(5, 'ordinary'));
        await seconds(15);
        expect(await kinds([crossing!, ...before.slice(1)])).toEqual(times(5, 'ordinary'));
        expect(await kinds(before.slice(0, 1))).toEqual(['crossing']);
      });

      it('goes on by what the storm request says, when the memory lost it', async () => {
        const [crossing] = await place(many(11)).then((placements) => placements.slice(-1));
        const { window } = crossing as { window: StormWindow };
        key = randomUUID();
        const [member] = await place(many(1), window);
        expect(member).toMatchObject({ kind: 'member', window: { type: 'rate', openedAt: window.openedAt } });
        // From here on it knows by itself.
        expect(await kinds(many(1))).toEqual(['member']);
        await seconds(65);
        key = randomUUID();
        expect((await place(many(1), window)).map(({ kind }) => kind)).toEqual(['ordinary']);
      });
    });

    it('places what several replicas place at once as one of them would', async () => {
      const placed = await Promise.all(Array.from({ length: 30 }, () => place(many(1))));
      const found = placed.flat().map(({ kind }) => kind);
      expect(found.filter((kind) => kind === 'ordinary')).toHaveLength(10);
      expect(found.filter((kind) => kind === 'crossing')).toHaveLength(1);
      expect(found.filter((kind) => kind === 'member')).toHaveLength(19);
    });

    it('is asked for nothing', async () => {
      expect(await subject.storms.place([], rules)).toEqual([]);
    });
  });
});
