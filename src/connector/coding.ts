/** Lets work of a client library reject with coded errors, for connectors whose libraries have errors of their own. */

/** @param coded what an error of the library means; anything else comes back as it is */
export function coding(coded: (error: unknown) => unknown): <T>(work: Promise<T>) => Promise<T> {
  return async (work) => {
    try {
      return await work;
    } catch (error) {
      throw coded(error);
    }
  };
}
