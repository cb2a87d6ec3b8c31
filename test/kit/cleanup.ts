/**
 * What must be undone after a test, whatever became of it. Inside a test it is undone when that test ends, elsewhere
 * (`beforeAll`) when the file ends; the latest first.
 */
import { afterAll, onTestFinished, TestRunner } from 'vitest';

type Undo = () => Promise<void> | void;

const ofFile: Undo[] = [];

afterAll(async () => {
  for (let undo = ofFile.pop(); undo !== undefined; undo = ofFile.pop()) await undo();
});

export function afterwards(undo: Undo): void {
  if (TestRunner.getCurrentTest() === undefined) ofFile.push(undo);
  else onTestFinished(undo);
}
