/**
 * What must be undone after a test, whatever became of it. Inside a test it is undone when that test ends, elsewhere
 * (`beforeAll`, `forWholeFile`) when the file ends; the latest first.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterAll, onTestFinished, TestRunner } from 'vitest';

type Undo = () => Promise<void> | void;

const ofFile: Undo[] = [];
const wholeFile = new AsyncLocalStorage<true>();

afterAll(async () => {
  for (let undo = ofFile.pop(); undo !== undefined; undo = ofFile.pop()) await undo();
});

export function afterwards(undo: Undo): void {
  if (wholeFile.getStore() || TestRunner.getCurrentTest() === undefined) ofFile.push(undo);
  else onTestFinished(undo);
}

/** What `start` starts stays until the file ends, whichever test asks for it first. */
export function forWholeFile<T>(start: () => Promise<T>): Promise<T> {
  return wholeFile.run(true, start);
}
