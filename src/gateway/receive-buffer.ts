/**
 * How much the system takes in for one connection before the gateway reads it. Called once the listeners are open.
 *
 * The native side reads a socket on in the same turn for as long as a read fills its buffer of 512 KiB, and does not ask
 * whether it has been paused meanwhile. A client as quick as the gateway keeps it there: hundreds of megabytes of an
 * upload came after `pause`. So no read may fill that buffer: connections inherit a smaller receive buffer from the socket
 * that listens, and a read then ends the turn. Node cannot set it, so the system is called directly.
 */
import { readdirSync } from 'node:fs';
import type { Logger } from '#kernel';

/** Option numbers and where the port lies in an address differ; elsewhere uploads are less tightly held. */
const NUMBERS: Readonly<Record<string, { level: number; receiveBuffer: number; accepting: number }>> = {
  linux: { level: 1, receiveBuffer: 8, accepting: 30 },
  darwin: { level: 0xffff, receiveBuffer: 0x1002, accepting: 0x0002 },
};
const ADDRESS_BYTES = 128;
const INT_BYTES = 4;

/** The number of sockets that listen on this port of this process and have been given the bound. */
export async function boundReceiveBuffers(port: number, bytes: number, logger: Logger): Promise<number> {
  const numbers = NUMBERS[process.platform];
  if (numbers === undefined) return 0;
  try {
    return await bound(port, bytes, numbers);
  } catch (error) {
    logger.warn({ err: error }, 'receive buffers are left as they are; fast uploads may outrun their upstream');
    return 0;
  }
}

async function bound(port: number, bytes: number, numbers: (typeof NUMBERS)[string]): Promise<number> {
  const { default: koffi } = await import('koffi');
  const system = koffi.load(null);
  const addressOf = system.func('int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *bytes)');
  const read = system.func('int getsockopt(int fd, int level, int name, _Out_ int *value, _Inout_ uint32_t *bytes)');
  const write = system.func('int setsockopt(int fd, int level, int name, const int *value, uint32_t bytes)');
  const { level, receiveBuffer, accepting } = numbers;
  let found = 0;
  for (const name of readdirSync('/dev/fd')) {
    const fd = Number(name);
    const address = new Uint8Array(ADDRESS_BYTES);
    if (addressOf(fd, address, [ADDRESS_BYTES]) !== 0) continue;
    // Port: bytes 2 and 3 of an IPv4 and of an IPv6 address, the high one first.
    if (((address[2] as number) << 8) + (address[3] as number) !== port) continue;
    const listens = [0];
    if (read(fd, level, accepting, listens, [INT_BYTES]) !== 0 || listens[0] === 0) continue;
    if (write(fd, level, receiveBuffer, [bytes], INT_BYTES) === 0) found++;
  }
  return found;
}
