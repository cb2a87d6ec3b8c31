/**
 * Opens a connector on the calling thread: loads its module, holds it and its configuration to the contract, and says which
 * texts must not leave the thread. Called by the threads of endpoints (`entry.ts`) and, through the door, by others that
 * move many records and therefore hold connections on threads of their own.
 */
import { register } from 'node:module';
import { SluiceError } from '#kernel';
import { checkConnection, checkConnector, describeConnector, secretPaths } from '../conformance.ts';
import type { Connection, Connector, OpenContext } from '../contract.ts';
import type { OpenInput, WorkerSetup } from './protocol.ts';

/** All that it takes to open an endpoint's connection on another thread. Plain data, with secrets in it. */
export interface Opening {
  readonly setup: WorkerSetup;
  readonly input: OpenInput;
}

export interface Opened {
  readonly connection: Connection;
  /** A text for the outside, in which no secret is readable. */
  hide(text: string): string;
}

/** So that a connector outside this package finds the contract by the name it has for users. Once a thread. */
export function registerContract({ contract }: WorkerSetup): void {
  if (contract === null) return;
  const hook = `export const resolve = (name, context, next) =>
    name === 'sluice/connector' ? { url: ${JSON.stringify(contract)}, shortCircuit: true } : next(name, context)`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
}

/** @throws CONNECTOR_INVALID */
export async function loadConnector(setup: WorkerSetup): Promise<Connector> {
  let module: { default?: unknown };
  try {
    module = (await import(setup.module)) as { default?: unknown };
  } catch (error) {
    throw new SluiceError('CONNECTOR_INVALID', `connector ${setup.name} does not load: ${String(error)}`, {
      connector: setup.name,
    });
  }
  return checkConnector(module.default, setup.name);
}

/** For messages of a connection with these secrets. */
export function hiding({ config, secretPaths: named }: OpenInput): (text: string) => string {
  const secrets = named.map((path) => String(valueAt(config, path))).filter((text) => text.length > 0);
  return (text) => secrets.reduce((shown, one) => shown.replaceAll(one, '***'), text);
}

/** The configuration as the connector takes it. @throws ENDPOINT_INVALID, CONNECTOR_INVALID */
export function checkConfig(connector: Connector, { config, secretPaths: named }: OpenInput): unknown {
  for (const path of secretPaths(describeConnector(connector).config)) {
    if (valueAt(config, path) !== undefined && !named.includes(path)) {
      throw invalidConfig(path, 'is secret: declare a secret and name it here as {"secret": "NAME"}');
    }
  }
  const result = connector.spec.safeParse(config);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalidConfig(issue?.path.join('.') ?? '', issue?.message ?? 'is not valid');
}

/**
 * Everything in one, on a thread that holds this connection alone.
 * @param keep `Endpoint.keep` by way of the caller's messages @throws what is wrong, with no secret in it
 */
export async function openConnection({ setup, input }: Opening, keep?: OpenContext['keep']): Promise<Opened> {
  registerContract(setup);
  const hide = hiding(input);
  try {
    const connector = await loadConnector(setup);
    const config = checkConfig(connector, input);
    const { endpoint, shared } = input;
    const context = { endpoint, shared, ...(keep === undefined ? {} : { keep }) };
    const connection = checkConnection(await connector.open(config, context), connector);
    return { connection, hide };
  } catch (error) {
    if (error instanceof SluiceError) throw new SluiceError(error.code, hide(error.message), error.details);
    throw new SluiceError('ENDPOINT_FAILED', hide(String(error)));
  }
}

function invalidConfig(field: string, message: string): SluiceError {
  const path = field === '' ? 'config' : `config.${field}`;
  return new SluiceError('ENDPOINT_INVALID', `${path}: ${message}`, { field: path });
}

function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], value);
}
