/** The text of a peer's address, from the 4 or 16 bytes the native side gives. An IPv4 address inside IPv6 is written as such. */

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

export function addressText(bytes: ArrayBuffer): string {
  const view = new Uint8Array(bytes);
  if (view.length === 4) return `${view[0]}.${view[1]}.${view[2]}.${view[3]}`;
  if (view.length !== 16) return '';
  if (MAPPED_PREFIX.every((byte, i) => view[i] === byte)) return `${view[12]}.${view[13]}.${view[14]}.${view[15]}`;
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((view[i] as number) << 8) | (view[i + 1] as number)).toString(16));
  const text = groups.join(':');
  // The longest run of zero groups, if it has two or more, is written `::`.
  let [from, length] = [0, 0];
  for (let i = 0; i < 8; ) {
    let end = i;
    while (end < 8 && groups[end] === '0') end++;
    if (end - i > length) [from, length] = [i, end - i];
    i = end + 1;
  }
  if (length < 2) return text;
  return `${groups.slice(0, from).join(':')}::${groups.slice(from + length).join(':')}`;
}
