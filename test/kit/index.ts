/**
 * What tests of every suite share: a real server in a process of its own, folders and ports that vanish with the
 * test, waiting for a condition, one seed for everything random. Tests import it as `#kit`.
 */

export { forWholeFile } from './cleanup.ts';
export { type Api, type ApiRequest, startApi } from './connectors/api.ts';
export { startKafkaMock, startMosquitto, startNats, startRabbitmq } from './connectors/brokers.ts';
export { Fold, follow, following } from './connectors/changes.ts';
export { type ChangingTable, changesSuite } from './connectors/changes-suite.ts';
export { startCutProxy } from './connectors/cut-proxy.ts';
export {
  type Database,
  declareEndpoint,
  mariadbDatabase,
  postgresDatabase,
  type SqlRow,
} from './connectors/databases.ts';
export { startEmulator } from './connectors/emulators.ts';
export { type FaultProxy, startFaultProxy } from './connectors/faults.ts';
export { startFtp, startS3, startSshd, startWebdav } from './connectors/file-servers.ts';
export { fileSuite } from './connectors/file-suite.ts';
export { type HttpPlace, httpSuite } from './connectors/http-suite.ts';
export { mannersOf } from './connectors/manners.ts';
export { lackingServer, type PrivateServer } from './connectors/private-server.ts';
export { type QueuePlace, queueSuite } from './connectors/queue-suite.ts';
export { type RaceSystem, raceChanges } from './connectors/race.ts';
export { startMariadb, startPostgres, startRedis } from './connectors/servers.ts';
export { type SpecCase, specSuite } from './connectors/spec-suite.ts';
export { connectorSuite, type Place, type Table } from './connectors/suite.ts';
export { type RandomTable, randomTable } from './connectors/workload.ts';
export { hasCommand, hasRoot, lacking } from './needs.ts';
export { freePort, tempDir } from './place.ts';
export { type CliResult, type Exit, runCli } from './process.ts';
export { seed, seededRandom, withSeed } from './seed.ts';
export { type Server, type ServerOptions, startServer } from './server.ts';
export { waitFor } from './wait.ts';
