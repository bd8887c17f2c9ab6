import { Lanes } from '../lanes';
import { Room } from './room';

describe('Room', () => {
  let lanes: Lanes;
  let room: Room;
  let left: number;

  beforeEach(() => {
    lanes = new Lanes({ places: 100, ofLane: 50 });
    left = 0;
    room = new Room(lanes.enterNow('a', 40)!, () => (left += 1));
  });
  const state = () => [lanes.inUse, left];

  it('is left when the connection is done', () => {
    expect(room.beginWork()).toBe(true);
    room.endWork();
    expect(state()).toEqual([40, 0]);
    room.hangUp();
    expect(state()).toEqual([0, 1]);
  });

  it('is left when the work ends, where the sender hung up in the middle of it', () => {
    room.beginWork();
    room.hangUp();
    expect(state()).toEqual([40, 0]);
    room.endWork();
    expect(state()).toEqual([0, 1]);
  });

  it('has no work for a sender that hung up before, and is left once', () => {
    room.hangUp();
    expect(room.beginWork()).toBe(false);
    room.read(10);
    expect(state()).toEqual([0, 1]);
  });

  it('takes what the body has when it is here', () => {
    room.read(10);
    expect(lanes.inUse).toBe(10);
    room.read(50);
    expect(lanes.inUse).toBe(10);
    room.hangUp();
    expect(state()).toEqual([0, 1]);
  });
});
