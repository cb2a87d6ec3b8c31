/** Sleeping until something happens: a note that was left before the sleep wakes it at once, so that none is missed. */
export class Wake {
  #noted = false;
  #resolve: (() => void) | undefined;

  note(): void {
    this.#noted = true;
    this.#resolve?.();
  }

  /** Until a note, or for so long. */
  async sleep(ms: number = Number.POSITIVE_INFINITY): Promise<void> {
    if (!this.#noted) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
        if (Number.isFinite(ms)) timer = setTimeout(resolve, Math.min(ms, 2 ** 31 - 1));
      });
      clearTimeout(timer);
      this.#resolve = undefined;
    }
    this.#noted = false;
  }
}
