/** Groups: how partitions move between members, and what acknowledgements come to. */
import { describe, expect, it } from 'vitest';
import { SluiceError } from '#kernel';
import { waitFor } from '#kit';
import { fill, Listening, RECORDS, scene, settled } from './group-members.ts';

const coded = (code: SluiceError['code']) => expect.objectContaining({ code });

describe('joining a group', () => {
  it('gives a lone member everything, in a later turn', async () => {
    const { groups } = await scene(3);
    const a = new Listening(groups);
    expect(a.told).toEqual([]);
    await settled();
    expect([a.partitions, a.told]).toEqual([[0, 1, 2], ['+0,1,2']]);
    expect(a.member.assignment).toHaveLength(3);
  });

  it('takes from those who have most, and no more than it must', async () => {
    const { groups } = await scene(4);
    const a = new Listening(groups);
    await settled();
    const b = new Listening(groups);
    await settled();
    expect([a.partitions, b.partitions]).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const c = new Listening(groups);
    await settled();
    expect([a, b, c].map(({ partitions }) => partitions.length).sort()).toEqual([1, 1, 2]);
    expect(c.told).toHaveLength(1);
  });

  it('is refused for a topic that does not exist, and under a name no group can have', async () => {
    const { groups } = await scene(1);
    expect(() => new Listening(groups, 'g', ['t', 'none'])).toThrow(coded('TOPIC_UNKNOWN') as Error);
    expect(() => new Listening(groups, '')).toThrow(coded('REQUEST_INVALID') as Error);
    expect(groups.list()).toEqual([]);
  });

  it('shares out each topic among those who read it', async () => {
    const { log, groups } = await scene(2);
    await log.createTopic('u', { partitions: 2 });
    const both = new Listening(groups, 'g', ['t', 'u']);
    const one = new Listening(groups, 'g', ['u']);
    await settled();
    const places = ({ member }: Listening) => member.assignment.map(({ topic, partition }) => `${topic}/${partition}`);
    expect(places(both)).toEqual(expect.arrayContaining(['t/0', 't/1']));
    expect([...places(both), ...places(one)].sort()).toEqual(['t/0', 't/1', 'u/0', 'u/1']);
    expect(places(one)).toHaveLength(1);
  });

  it('keeps groups apart', async () => {
    const { groups } = await scene(2);
    const members = [new Listening(groups, 'g'), new Listening(groups, 'h')];
    await settled();
    expect(members.map(({ partitions }) => partitions)).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });
});

describe('a partition that moves', () => {
  it('waits until its old member has released it, who may acknowledge until then', async () => {
    const { groups } = await scene(2);
    const a = new Listening(groups);
    await settled();
    a.prompt = false;
    const b = new Listening(groups);
    await settled();
    expect([a.told.at(-1), b.told]).toEqual(['-1', []]);
    a.member.ack('t', 1, 40);
    expect(() => b.member.ack('t', 1, 1)).toThrow(coded('MEMBER_FENCED') as Error);
    a.release(1);
    await settled();
    expect([...b.owned]).toEqual([[1, 40]]);
    expect(() => a.member.ack('t', 1, 50)).toThrow(coded('MEMBER_FENCED') as Error);
  });

  it('moves without that when the time is up', async () => {
    const { groups } = await scene(2, 20);
    const a = new Listening(groups);
    await settled();
    a.prompt = false;
    const b = new Listening(groups);
    await waitFor(() => b.partitions.length === 1, { what: 'the drain to end' });
    expect(() => a.member.ack('t', 1, 1)).toThrow(coded('MEMBER_FENCED') as Error);
    a.member.released('t', 1);
    await settled();
    expect(b.partitions).toEqual([1]);
  });

  it('comes from a member that leaves at once, and goes on at what that one acknowledged', async () => {
    const { groups } = await scene(2);
    const a = new Listening(groups);
    const b = new Listening(groups);
    await settled();
    const [mine] = a.partitions as [number];
    a.member.ack('t', mine, 33);
    const left = a.member.leave();
    await settled();
    expect(b.owned.get(mine)).toBe(33);
    await left;
    expect(() => a.member.ack('t', mine, 34)).toThrow(coded('MEMBER_FENCED') as Error);
    await a.member.leave();
  });

  it('is not told to who has left', async () => {
    const { groups } = await scene(2);
    const a = new Listening(groups);
    await a.member.leave();
    expect(a.told).toEqual([]);
  });

  it('is shared out when its topic grows', async () => {
    const { log, groups } = await scene(2);
    const members = [new Listening(groups), new Listening(groups)];
    await log.updateTopic('t', { partitions: 4 });
    await waitFor(() => members.every(({ owned }) => owned.size === 2), { what: 'the new partitions to be assigned' });
  });

  it('begins anew when its topic was deleted and made again', async () => {
    const { log, groups } = await scene(2);
    const a = new Listening(groups);
    await settled();
    a.member.ack('t', 0, 50);
    await log.deleteTopic('t');
    await log.createTopic('t', { partitions: 1 });
    await fill(log);
    expect(() => a.member.ack('t', 0, 60)).toThrow(coded('MEMBER_FENCED') as Error);
    await waitFor(() => a.told.at(-1) === '+0', { what: 'the new topic to be assigned' });
    expect([...a.owned]).toEqual([[0, undefined]]);
    a.member.ack('t', 0, 10);
    await a.member.flush();
    expect(log.committedOffset('g', 't', 0)).toBe(10);
  });
});

describe('an acknowledgement', () => {
  it('becomes the committed offset, of many the furthest, in few commits', async () => {
    const { log, groups } = await scene(1);
    const a = new Listening(groups);
    let commits = 0;
    log.onCommit(() => commits++);
    for (let offset = 1; offset <= RECORDS; offset++) a.member.ack('t', 0, offset);
    await a.member.flush();
    expect([log.committedOffset('g', 't', 0), commits]).toEqual([RECORDS, 1]);
    for (let offset = 1; offset < RECORDS; offset++) a.member.ack('t', 0, offset);
    await a.member.flush();
    expect([log.committedOffset('g', 't', 0), commits]).toEqual([RECORDS, 1]);
  });

  it('goes with the next commit when one is on its way', async () => {
    const { log, groups } = await scene(1);
    const a = new Listening(groups);
    a.member.ack('t', 0, 10);
    await Promise.resolve();
    a.member.ack('t', 0, 20);
    a.member.ack('t', 0, 15);
    await waitFor(() => log.committedOffset('g', 't', 0) === 20, { what: 'the later acknowledgement' });
  });

  it('is refused beyond the end, and stops no other', async () => {
    const { log, groups } = await scene(2);
    const a = new Listening(groups);
    for (const offset of [RECORDS + 1, -1, 0.5]) {
      expect(() => a.member.ack('t', 0, offset)).toThrow(coded('OFFSET_OUT_OF_RANGE') as Error);
    }
    a.member.ack('t', 1, RECORDS);
    await a.member.flush();
    expect(log.committedOffsets('g')).toEqual([{ topic: 't', partition: 1, offset: RECORDS }]);
  });

  it('that could not be written fails its flush, and is written when that is possible', async () => {
    const { log, groups } = await scene(2);
    const a = new Listening(groups);
    log.failCommits(new SluiceError('DISK_FULL'));
    a.member.ack('t', 0, 5);
    await expect(a.member.flush()).rejects.toEqual(coded('DISK_FULL'));
    a.member.ack('t', 1, 7);
    log.failCommits(undefined);
    await waitFor(() => log.committedOffsets('g').length === 2, { what: 'both acknowledgements' });
    expect(log.committedOffset('g', 't', 0)).toBe(5);
  });
});

describe('a group', () => {
  it('is described with its members, offsets and lag', async () => {
    const { groups } = await scene(2);
    const a = new Listening(groups);
    a.member.ack('t', 1, 40);
    await a.member.flush();
    expect(groups.describe('g')).toEqual({
      group: 'g',
      mode: 'stream',
      members: [
        {
          id: a.member.id,
          client: 'test',
          topics: ['t'],
          partitions: [
            { topic: 't', partition: 0 },
            { topic: 't', partition: 1 },
          ],
        },
      ],
      partitions: [
        { topic: 't', partition: 0, committed: null, durable: RECORDS, lag: RECORDS, member: a.member.id },
        { topic: 't', partition: 1, committed: 40, durable: RECORDS, lag: RECORDS - 40, member: a.member.id },
      ],
      queues: [],
    });
    await a.member.leave();
    expect(groups.describe('g').members).toEqual([]);
    expect(groups.list()).toEqual(['g']);
    expect(() => groups.describe('none')).toThrow(coded('GROUP_UNKNOWN') as Error);
  });

  it('is reset and deleted only while nobody is in it', async () => {
    const { log, groups } = await scene(2);
    const a = new Listening(groups);
    await settled();
    a.member.ack('t', 0, 50);
    await expect(groups.resetOffsets('g', 't', new Map([[0, 1]]))).rejects.toEqual(coded('GROUP_BUSY'));
    await expect(groups.delete('g')).rejects.toEqual(coded('GROUP_BUSY'));
    const left = a.member.leave();
    await groups.resetOffsets('g', 't', new Map([[0, 20]]));
    await left;
    expect(log.committedOffset('g', 't', 0)).toBe(20);
    const b = new Listening(groups);
    await settled();
    expect(b.owned.get(0)).toBe(20);
    b.member.ack('t', 0, 30);
    await b.member.leave();
    await groups.delete('g');
    expect([groups.list(), log.committedOffsets('g')]).toEqual([[], []]);
    await expect(groups.delete('g')).rejects.toEqual(coded('GROUP_UNKNOWN'));
  });
});
