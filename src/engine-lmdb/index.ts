/** The log on LMDB: the only room that knows LMDB. `lmdb-log.ts` is the place to begin reading. */
export { type LmdbLog, type LmdbLogOptions, openLmdbLog } from './lmdb-log.ts';
export { restoreBackup, type VerifyFinding, type VerifyReport, verifyStore } from './verify.ts';
