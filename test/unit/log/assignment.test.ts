/** How the partitions of a group are shared out, on any input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withSeed } from '#kit';
import { assignPartitions } from '../../../src/log/assignment.ts';

const names = (prefix: string) => (count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Partitions, members, and who held what before: some of it gone since, some held by nobody. */
const situation = fc
  .record({ partitions: fc.integer({ min: 0, max: 30 }), members: fc.integer({ min: 1, max: 8 }) })
  .chain(({ partitions, members }) =>
    fc.record({
      partitions: fc.constant(names('p')(partitions)),
      members: fc.constant(names('m')(members)),
      owners: fc.array(fc.option(fc.integer({ min: 0, max: members + 1 })), { maxLength: 35 }),
    }),
  )
  .map(({ partitions, members, owners }) => {
    const current = new Map<string, Set<string>>();
    owners.forEach((owner, i) => {
      if (owner === null) return;
      const held = current.get(`m${owner}`) ?? new Set<string>(['other/0', `other/${owner}`]);
      current.set(`m${owner}`, held.add(`p${i}`));
    });
    return { partitions, members, current };
  });

function sizes(assignment: ReadonlyMap<string, ReadonlySet<string>>): number[] {
  return [...assignment.values()].map(({ size }) => size).sort((a, b) => b - a);
}

describe('an assignment', () => {
  it('gives every partition to exactly one member', () => {
    fc.assert(
      fc.property(situation, ({ partitions, members, current }) => {
        const next = assignPartitions(partitions, members, current);
        expect([...next.keys()]).toEqual(members);
        expect([...next.values()].flatMap((held) => [...held]).sort()).toEqual([...partitions].sort());
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  it('is balanced to within one', () => {
    fc.assert(
      fc.property(situation, ({ partitions, members, current }) => {
        const counts = sizes(assignPartitions(partitions, members, current));
        expect((counts[0] as number) - (counts.at(-1) as number)).toBeLessThanOrEqual(1);
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  it('leaves where it is as much as balance allows', () => {
    fc.assert(
      fc.property(situation, ({ partitions, members, current }) => {
        const next = assignPartitions(partitions, members, current);
        const held = members.map((m) => [...(current.get(m) ?? [])].filter((p) => partitions.includes(p)).length);
        // The best there can be: the larger shares go to those who hold most.
        const shares = sizes(next);
        const best = held
          .sort((a, b) => b - a)
          .reduce((sum, count, i) => sum + Math.min(count, shares[i] as number), 0);
        const stayed = members.flatMap((m) => [...(next.get(m) ?? [])].filter((p) => current.get(m)?.has(p)));
        expect(stayed).toHaveLength(best);
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  it('does not change when nothing has', () => {
    fc.assert(
      fc.property(situation, ({ partitions, members, current }) => {
        const once = assignPartitions(partitions, members, current);
        const twice = assignPartitions(partitions, members, once);
        for (const member of members) expect(twice.get(member)).toEqual(once.get(member));
      }),
      withSeed({ numRuns: 200 }),
    );
  });

  it('is empty without members, and gives nothing where there is nothing', () => {
    expect(assignPartitions(['p'], [], new Map()).size).toBe(0);
    expect(assignPartitions([], ['m'], new Map()).get('m')).toEqual(new Set());
  });
});
