/** `sluice serve`: runs a server until it is told to stop. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Command, InvalidArgumentError, Option } from 'commander';
import type * as Yaml from 'yaml';
import { DEFAULT_LIMITS, type LogLevel, SluiceError } from '#kernel';
import type { Acts, ServeOptions } from '../acts.ts';
import { EXIT } from '../exit.ts';
import { print } from '../output.ts';

const require = createRequire(import.meta.url);

interface Flags {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly allowInsecure: boolean;
  readonly issuer?: string;
  readonly autoCreateTopics: boolean;
  readonly allowOrigin: readonly string[];
  readonly processors: string;
  readonly connectors?: string;
  readonly workers: number;
  readonly gatewayHost: string;
  readonly gatewayPort?: number;
  readonly gatewayThreads: number;
  readonly trustProxy: readonly string[];
  readonly gatewayRecordDays: number;
  readonly clientCa?: string;
  readonly otlpEndpoint?: string;
  readonly otlpHeader: readonly string[];
  readonly otlpPercent: number;
  readonly logLevel: LogLevel;
  readonly limit: Readonly<Record<string, number>>;
  readonly config?: string;
  readonly hints: boolean;
}

export function serveCommand(acts: Acts): Command {
  return new Command('serve')
    .description('run a server')
    .option('--data <dir>', 'where records are kept', 'data')
    .option('--host <host>', 'address to listen on; beyond loopback it needs a client and TLS', '127.0.0.1')
    .option('--port <n>', 'port; 0 takes a free one', wholeNumber, 7070)
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'its private key, PEM')
    .option('--allow-insecure', 'listen beyond loopback without TLS, as behind a proxy that ends it', false)
    .option('--issuer <url>', 'address clients know it by, for access tokens; not given: where it listens', originUrl)
    .option('--auto-create-topics', 'a produce to an unknown topic creates it', false)
    .option(
      '--allow-origin <origin...>',
      'origins whose pages may open WebSockets (default any) and use streams (default any that has a key)',
      [],
    )
    .option('--processors <dir>', 'where the modules of processors are', 'processors')
    .option('--connectors <dir>', 'your own connectors, each a folder with an index.js; changes take effect at once')
    .option('--workers <n>', 'threads that run processors; 0: as many as the machine has cores', wholeNumber, 0)
    .option('--gateway-host <host>', 'address of the API gateway; beyond loopback it needs TLS', '127.0.0.1')
    .option('--gateway-port <n>', 'its port; 0 takes a free one; not given: 7080, once there are routes', wholeNumber)
    .option('--gateway-threads <n>', 'threads it listens on; 0: as many as the machine has cores', wholeNumber, 0)
    .option('--trust-proxy <network...>', 'networks of proxies before the gateway whose X-Forwarded-* are believed', [])
    .option('--gateway-record-days <n>', 'days that records of its requests are kept; 0: none are made', wholeNumber, 7)
    .option('--client-ca <file>', 'authorities, PEM, of the client certificates that the gateway then asks for')
    .option('--otlp-endpoint <url>', 'OpenTelemetry collector that gets spans of the gateway, by OTLP/HTTP')
    .option('--otlp-header <name=value...>', 'headers it wants', [])
    .option('--otlp-percent <n>', 'of traces that begin at the gateway, the share that is sampled', wholeNumber, 100)
    .addOption(
      new Option('--log-level <level>', 'what goes to stderr')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
        .default('warn'),
    )
    .option('--limit <name=n>', 'change a limit; can be repeated', addLimit, {})
    .option('--config <file>', 'YAML file with any of these options, in camelCase; the command line wins')
    .option('--hints', 'say what to type next', process.stdout.isTTY === true)
    .addHelpText(
      'after',
      `
Examples:
  $ sluice serve --data ./data
  $ sluice serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  $ sluice serve --limit segmentBytes=67108864`,
    )
    .action(async (_flags: Flags, command: Command) => {
      const options = serveOptions(command);
      const running = await acts.serve(options);
      // Whoever reads the address may ask it to stop at once.
      stopOnSignals(() => running.stop());
      await print(`sluice listening on ${running.url}\n`);
      if (running.gatewayUrl !== undefined) await print(`its gateway listening on ${running.gatewayUrl}\n`);
      if (command.opts<Flags>().hints) await print(hints(running.url));
    });
}

function serveOptions(command: Command): ServeOptions {
  const flags = command.opts<Flags>();
  const fromFile = flags.config === undefined ? {} : readConfig(flags.config);
  const pick = <K extends keyof Flags>(name: K): Flags[K] => {
    const given = command.getOptionValueSource(name) !== 'default';
    return given || fromFile[name] === undefined ? flags[name] : (fromFile[name] as Flags[K]);
  };
  const [certFile, keyFile] = [pick('tlsCert'), pick('tlsKey')];
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new SluiceError('CONFIG_INVALID', 'a certificate and its key go together: --tls-cert and --tls-key');
  }
  const endpoint = pick('otlpEndpoint');
  return {
    data: pick('data'),
    host: pick('host'),
    port: pick('port'),
    tls: certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile },
    allowInsecure: pick('allowInsecure'),
    issuer: pick('issuer'),
    autoCreateTopics: pick('autoCreateTopics'),
    allowedOrigins: pick('allowOrigin'),
    processors: pick('processors'),
    connectors: pick('connectors'),
    workers: pick('workers'),
    gateway: {
      host: pick('gatewayHost'),
      port: pick('gatewayPort'),
      threads: pick('gatewayThreads'),
      trusted: pick('trustProxy'),
      recordDays: pick('gatewayRecordDays'),
      clientCaFile: pick('clientCa'),
      otlp:
        endpoint === undefined ? undefined : { endpoint, headers: pick('otlpHeader'), percent: pick('otlpPercent') },
    },
    logLevel: pick('logLevel'),
    limits: { ...(fromFile.limit ?? {}), ...flags.limit },
  };
}

function readConfig(path: string): Partial<Flags> {
  try {
    const { parse } = require('yaml') as typeof Yaml;
    return (parse(readFileSync(path, 'utf8')) as Partial<Flags> | null) ?? {};
  } catch (error) {
    throw new SluiceError('CONFIG_INVALID', `${path} cannot be read as YAML`, {}, error);
  }
}

/** Without a path, so that the address of the metadata follows from it. */
function originUrl(text: string): string {
  if (!URL.canParse(text) || new URL(text).origin !== text) {
    throw new InvalidArgumentError('an address such as https://sluice.example.com is needed, without a path');
  }
  return text;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is needed');
  return Number(text);
}

function addLimit(text: string, limits: Readonly<Record<string, number>>): Record<string, number> {
  const [name = '', value = ''] = text.split('=');
  if (!(name in DEFAULT_LIMITS))
    throw new InvalidArgumentError(`${name} is not one of ${Object.keys(DEFAULT_LIMITS).join(', ')}`);
  return { ...limits, [name]: wholeNumber(value) };
}

/** The first signal stops in order; a second one at once. */
function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = (): void => {
    if (stopping) process.exit(EXIT.interrupted);
    stopping = true;
    stop().then(
      () => process.exit(EXIT.ok),
      (error: unknown) => {
        process.stderr.write(`sluice: stopping failed: ${String(error)}\n`);
        process.exit(EXIT.failed);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function hints(url: string): string {
  return `
Try, in another terminal:
  curl -X PUT ${url}/v1/topics/hello -H 'content-type: application/json' -d '{"partitions":4}'
  curl ${url}/v1/topics/hello/records -H 'content-type: application/json' -d '{"records":[{"key":"k","value":{"n":1}}]}'
  curl -N '${url}/v1/topics/hello/events?from=earliest'
  npx sluice consume hello --from earliest
The interface is described at ${url}/openapi.json
`;
}
