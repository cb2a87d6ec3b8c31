/** A group under churn: members join, leave and dawdle at random while they acknowledge. */
import { expect, it } from 'vitest';
import { seed, seededRandom, waitFor } from '#kit';
import { fill, Listening, RECORDS, scene, settled } from './group-members.ts';

const STEPS = 400;
const MEMBERS_MAX = 6;

it.each([
  ['with members that always give up in time', 60_000],
  ['with members that are too slow', 2],
])('a group %s has one owner a partition, and all assigned when it is quiet', async (_, drainMs) => {
  const random = seededRandom(seed() + drainMs);
  const below = (end: number) => Math.floor(random() * end);
  const { log, groups } = await scene(5, drainMs);
  const members: Listening[] = [];
  const furthest = new Map<number, number>();

  /** Who may acknowledge is who owns, so that this shows two owners if ever there are. */
  const owners = (partition: number) => {
    return members.filter(({ member }) => {
      try {
        member.ack('t', partition, 0);
        return true;
      } catch {
        return false;
      }
    });
  };

  for (let step = 0; step < STEPS; step++) {
    const dice = random();
    const member = members[below(members.length)];
    if (dice < 0.1 && members.length < MEMBERS_MAX) members.push(new Listening(groups));
    else if (dice < 0.2 && member !== undefined) {
      members.splice(members.indexOf(member), 1);
      void member.member.leave();
    } else if (dice < 0.3 && member !== undefined) member.prompt = !member.prompt;
    else if (dice < 0.45)
      for (const { member: slow, owned } of members) for (const p of owned.keys()) slow.released('t', p);
    else if (dice < 0.48 && log.topic('t').partitions.length < 12) {
      await log.updateTopic('t', { partitions: log.topic('t').partitions.length + 1 });
      await fill(log);
    } else if (dice < 0.9 && member !== undefined) {
      for (const { topic, partition } of member.member.assignment) {
        const next = Math.min(RECORDS, (furthest.get(partition) ?? 0) + below(3));
        member.member.ack(topic, partition, next);
        furthest.set(partition, next);
      }
    } else await settled();
    for (const { index } of log.topic('t').partitions) expect(owners(index).length).toBeLessThanOrEqual(1);
    for (const { partition, offset } of log.committedOffsets('g')) {
      expect(offset).toBeLessThanOrEqual(furthest.get(partition) ?? 0);
    }
  }

  if (members.length === 0) members.push(new Listening(groups));
  const { partitions } = log.topic('t');
  await waitFor(
    () => {
      // Whoever was slow gives up what it was asked for.
      for (const { member } of members) for (const { index } of partitions) member.released('t', index);
      return partitions.every(({ index }) => owners(index).length === 1);
    },
    { what: 'every partition to have an owner' },
  );
  const counts = members.map(({ member }) => member.assignment.length);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(partitions.length);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  await Promise.all(members.map(({ member }) => member.flush()));
  for (const [partition, offset] of furthest) expect(log.committedOffset('g', 't', partition) ?? 0).toBe(offset);
});
