/** Emulators of services that somebody else wrote, in this process and on a free port; gone with the tests of a file. */
import { createEmulator, type Emulator, type EmulatorOptions, type ServiceName } from 'emulate';
import { afterwards } from '../cleanup.ts';
import { freePort } from '../place.ts';

/** @param seed what is there at first, as the emulator's configuration has it for the service */
export async function startEmulator(service: ServiceName, seed: object = {}, tokens: object = {}): Promise<Emulator> {
  const port = await freePort();
  const options = { service, port, baseUrl: `http://127.0.0.1:${port}`, seed: { tokens, [service]: seed } };
  const emulator = await createEmulator(options as EmulatorOptions);
  afterwards(() => emulator.close());
  return emulator;
}
