/**
 * How many bytes one run is given: enough that commits and messages between threads cost little beside it, so few that
 * a run is short and lanes are shared fairly. Follows the time that runs take.
 */
const BYTES_MIN = 16 * 1024;
const BYTES_MAX = 2 * 1024 * 1024;
const BYTES_FIRST = 128 * 1024;
const RUN_MS_LOW = 15;
const RUN_MS_HIGH = 60;

export class RunSize {
  bytes: number = BYTES_FIRST;

  /** @param filled whether the run ended because it had its bytes, not because nothing was left to read */
  observe(runMs: number, filled: boolean): void {
    if (runMs > RUN_MS_HIGH) this.bytes = Math.max(BYTES_MIN, this.bytes / 2);
    else if (runMs < RUN_MS_LOW && filled) this.bytes = Math.min(BYTES_MAX, this.bytes * 2);
  }
}
