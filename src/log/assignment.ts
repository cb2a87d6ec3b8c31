/**
 * Who gets which partition of a group: balanced to within one, and sticky: a partition moves only when it must.
 * Pure, so that its promises are tested on any input.
 */

/** Member → indexes into the list of partitions. Members without any have an empty set. */
export type Assignment = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * @param partitions names of all partitions to share out
 * @param members ids of the members, in the order they joined
 * @param current what each holds; partitions and members that are gone are left out
 */
export function assignPartitions(
  partitions: readonly string[],
  members: readonly string[],
  current: Assignment,
): Assignment {
  const next = new Map<string, Set<string>>(members.map((member) => [member, new Set()]));
  if (members.length === 0) return next;
  const free = new Set(partitions);
  const holdings = members.map((member) => {
    const held = [...(current.get(member) ?? [])].filter((partition) => free.has(partition));
    return { mine: next.get(member) as Set<string>, held, quota: Math.floor(partitions.length / members.length) };
  });
  // Those who hold most may keep one more, so that fewer partitions move.
  const byHolding = holdings.toSorted((a, b) => b.held.length - a.held.length);
  for (const holding of byHolding.slice(0, partitions.length % members.length)) holding.quota++;
  for (const { mine, held, quota } of byHolding) {
    for (const partition of held) if (mine.size < quota && free.delete(partition)) mine.add(partition);
  }
  const rest = free.values();
  for (const { mine, quota } of holdings) {
    while (mine.size < quota) mine.add(rest.next().value as string);
  }
  return next;
}
