/** Commits of sync jobs: while the log has no room they wait, since what they carry cannot be left out. */
import { SluiceError } from '#kernel';
import type { Appended, CommitRequest, Log } from '#log';

const BUSY_MS = 10;

/** @throws as `Log.commit`, but LOG_BUSY */
export async function commit(log: Log, request: CommitRequest): Promise<Appended[]> {
  for (;;) {
    try {
      return await log.commit(request);
    } catch (error) {
      if (!(error instanceof SluiceError && error.code === 'LOG_BUSY')) throw error;
      await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
    }
  }
}
