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
  const next = new Map<string, Set<string>>(members.map((member) => [member, new Set<string>()]));
  if (members.length === 0) return next;
  const known = new Set(partitions);
  const least = Math.floor(partitions.length / members.length);
  let larger = partitions.length % members.length;
  const taken = new Set<string>();
  // Those who hold most may keep one more, so that fewer partitions move.
  const byHolding = members.toSorted((a, b) => (current.get(b)?.size ?? 0) - (current.get(a)?.size ?? 0));
  const quotas = new Map<string, number>();
  for (const member of byHolding) {
    const quota = larger > 0 ? least + 1 : least;
    if (larger > 0) larger--;
    quotas.set(member, quota);
    for (const partition of current.get(member) ?? []) {
      const mine = next.get(member) as Set<string>;
      if (mine.size >= quota || !known.has(partition) || taken.has(partition)) continue;
      mine.add(partition);
      taken.add(partition);
    }
  }
  const free = partitions.filter((partition) => !taken.has(partition));
  for (const member of members) {
    const mine = next.get(member) as Set<string>;
    while (mine.size < (quotas.get(member) as number)) mine.add(free.shift() as string);
  }
  return next;
}
