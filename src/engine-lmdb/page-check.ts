/**
 * Checks the structure of an LMDB file without LMDB, so that a flipped or missing byte in a page is found
 * before the library follows it out of the map and takes the process down. Reads the meta pages and every
 * branch and leaf page; what the leaves point to must lie inside the file. Values have checksums of their own.
 *
 *   page header, 24 bytes:  number u64 · transaction u64 · pad u16 · flags u16 · lower u16 · upper u16
 *   then offsets (u16) of the nodes; a node: lo u16 · hi u16 · flags u16 · key size u16 · key · value or page number
 *
 * Layout: lmdb 3.5.6, data version 2, little endian.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const PAGE_HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
const MAGIC = 0xbeefc0de;
const META_COUNT = 2;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META = 0x08;
const BIG_VALUE = 0x01;
const DEPTH_MAX = 32;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** Offsets inside a meta page, behind the page header. */
const META_MAIN_DB = 8 + 8 + 8 + 48;
const META_FREE_DB = 8 + 8 + 8;
const DB_ROOT = 40;
const META_LAST_PAGE = META_MAIN_DB + 48;
const META_TXN = META_LAST_PAGE + 8;

interface Meta {
  readonly pageBytes: number;
  readonly root: bigint;
  readonly lastPage: bigint;
  readonly txn: bigint;
}

class Damage extends Error {}

/** What is wrong with the file, or undefined when its structure is sound. */
export function checkPages(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const fileBytes = fstatSync(file).size;
    const meta = newestMeta(file, fileBytes);
    // A commit may leave the last pages of its file unwritten only when they are free; segments free nothing that late.
    if (meta.root === NO_PAGE) return undefined;
    checkPage({ file, meta, fileBytes }, meta.root, 0);
    return undefined;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  } finally {
    closeSync(file);
  }
}

interface Walk {
  readonly file: number;
  readonly meta: Meta;
  readonly fileBytes: number;
}

function newestMeta(file: number, fileBytes: number): Meta {
  const head = Buffer.alloc(PAGE_HEADER_BYTES + 256);
  if (readSync(file, head, 0, head.length, 0) < head.length) throw new Damage('the file is shorter than a meta page');
  const pageBytes = head.readUInt32LE(PAGE_HEADER_BYTES + META_FREE_DB);
  if (pageBytes < 512 || pageBytes > 65536 || (pageBytes & (pageBytes - 1)) !== 0) {
    throw new Damage(`a page size of ${pageBytes} in the first meta page`);
  }
  if (fileBytes < META_COUNT * pageBytes) throw new Damage('the file is shorter than its meta pages');
  let newest: Meta | undefined;
  for (let i = 0; i < META_COUNT; i++) {
    readSync(file, head, 0, head.length, i * pageBytes);
    if ((head.readUInt16LE(18) & META) === 0 || head.readUInt32LE(PAGE_HEADER_BYTES) !== MAGIC) {
      throw new Damage(`meta page ${i} is not one`);
    }
    const meta: Meta = {
      pageBytes,
      root: head.readBigUInt64LE(PAGE_HEADER_BYTES + META_MAIN_DB + DB_ROOT),
      lastPage: head.readBigUInt64LE(PAGE_HEADER_BYTES + META_LAST_PAGE),
      txn: head.readBigUInt64LE(PAGE_HEADER_BYTES + META_TXN),
    };
    if (newest === undefined || meta.txn > newest.txn) newest = meta;
  }
  const found = newest as Meta;
  const filePages = BigInt(Math.floor(fileBytes / pageBytes));
  if (found.lastPage >= filePages) {
    throw new Damage(`the file has ${filePages} pages where the last commit had ${found.lastPage + 1n}`);
  }
  return found;
}

function checkPage(walk: Walk, number: bigint, depth: number): void {
  const { pageBytes, lastPage } = walk.meta;
  if (number < BigInt(META_COUNT) || number > lastPage) throw new Damage(`page ${number} is outside the file`);
  if (depth > DEPTH_MAX) throw new Damage('the tree is deeper than it can be');
  const page = Buffer.alloc(pageBytes);
  readSync(walk.file, page, 0, pageBytes, Number(number) * pageBytes);
  if (page.readBigUInt64LE(0) !== number) throw new Damage(`page ${number} carries another number`);
  const kind = page.readUInt16LE(18) & (BRANCH | LEAF | OVERFLOW | META);
  if (kind !== BRANCH && kind !== LEAF) throw new Damage(`page ${number} is neither branch nor leaf`);
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  // Positions count from the end of the header.
  const room = pageBytes - PAGE_HEADER_BYTES;
  if (lower > upper || upper > room || lower % 2 !== 0) throw new Damage(`page ${number} has impossible bounds`);
  for (let i = 0; i < lower / 2; i++) {
    const at = PAGE_HEADER_BYTES + page.readUInt16LE(PAGE_HEADER_BYTES + i * 2);
    if (at < PAGE_HEADER_BYTES + upper || at + NODE_HEADER_BYTES > pageBytes)
      throw new Damage(`page ${number} has a node outside it`);
    checkNode(walk, page, at, kind === BRANCH, depth);
  }
}

function checkNode(walk: Walk, page: Buffer, at: number, isBranch: boolean, depth: number): void {
  const low = page.readUInt16LE(at);
  const high = page.readUInt16LE(at + 2);
  const flags = page.readUInt16LE(at + 4);
  const keyBytes = page.readUInt16LE(at + 6);
  const dataAt = at + NODE_HEADER_BYTES + keyBytes;
  if (dataAt > page.length) throw new Damage('a key leads out of its page');
  if (isBranch) {
    checkPage(walk, BigInt(low) + (BigInt(high) << 16n) + (BigInt(flags) << 32n), depth + 1);
    return;
  }
  const size = low + high * 65536;
  if ((flags & BIG_VALUE) === 0) {
    if (dataAt + size > page.length) throw new Damage('a value leads out of its page');
    return;
  }
  if (dataAt + 8 > page.length) throw new Damage('a value reference leads out of its page');
  const first = page.readBigUInt64LE(dataAt);
  const pages = BigInt(Math.ceil((PAGE_HEADER_BYTES + size) / walk.meta.pageBytes));
  if (first < BigInt(META_COUNT) || first + pages > walk.meta.lastPage + 1n)
    throw new Damage(`a value leads out of the file at page ${first}`);
}
