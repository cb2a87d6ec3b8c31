/** The client that a command uses, from the options every command has. */
import type { Command } from 'commander';
import { Admin, type Client, connect } from '#client';

interface GlobalOptions {
  readonly url: string;
  readonly key?: string;
  readonly json: boolean;
}

const CONNECT_MS = 5_000;

export function globals(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

function access(command: Command): { url: string; key?: string } {
  const { url, key = process.env['SLUICE_KEY'] } = globals(command);
  return key === undefined ? { url } : { url, key };
}

export function adminOf(command: Command): Admin {
  return new Admin(access(command));
}

/** A connected client. @throws CONNECTION_LOST after five seconds without a server */
export async function clientOf(command: Command): Promise<Client> {
  const client = connect(access(command));
  try {
    await client.connection.ready(CONNECT_MS);
    return client;
  } catch (error) {
    client.close();
    // Over HTTP the server says why, e.g. that the key is not valid.
    await client.admin.call('GET', '/v1/topics');
    throw error;
  }
}
