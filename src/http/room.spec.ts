import { Lanes } from '../lanes';
import { Room } from './room';

describe('Room', () => {
  let lanes: Lanes;
  let room: Room;
  let left: number;

  beforeEach(() => {
    lanes = new Lanes({ places: 100_000, ofLane: 50_000 });
    left = 0;
    room = new Room(lanes.enterNow('a', 40_000)!, () => (left += 1));
  });
  const state = () => [lanes.inUse, left];

  it('is left when the connection is done', () => {
    expect(room.beginWork()).toBe(true);
    room.endWork();
    expect(state()).toEqual([40_000, 0]);
    room.hangUp();
    expect(state()).toEqual([0, 1]);
  });

  it('is left when the work ends, where the sender hung up in the middle of it', () => {
    room.beginWork();
    room.hangUp();
    expect(state()).toEqual([40_000, 0]);
    room.endWork();
    expect(state()).toEqual([0, 1]);
  });

  it('has no work for a sender that hung up before, and is left once', () => {
    room.hangUp();
    expect(room.beginWork()).toBe(false);
    room.read(10);
    expect(state()).toEqual([0, 1]);
  });

  it('takes what the body has when it is here, and no less than the smallest', () => {
    room.read(10_000);
    expect(lanes.inUse).toBe(10_000);
    room.read(50_000);
    expect(lanes.inUse).toBe(10_000);
    room.read(1);
    expect(lanes.inUse).toBe(2_048);
    room.hangUp();
    expect(state()).toEqual([0, 1]);
  });
});
