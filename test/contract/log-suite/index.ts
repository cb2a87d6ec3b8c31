/** The contract of a log, as tests: every engine passes all of them. One file a subject. */
import { afterEach, describe } from 'vitest';
import { describeAppends } from './append.ts';
import { describeClosing } from './closing.ts';
import { describeCommits } from './commit.ts';
import { describeCompaction } from './compaction.ts';
import { describeCursors } from './cursors.ts';
import { describeDeadLetters } from './dead-letters.ts';
import { describeDurability } from './durability.ts';
import type { LogFixture } from './fixture.ts';
import { describeGroups } from './groups.ts';
import { describeIdempotence } from './idempotence.ts';
import { describeQueueOrder } from './queue-order.ts';
import { describeQueueUpkeep } from './queue-upkeep.ts';
import { describeQueues } from './queues.ts';
import { describeRandomly } from './random.ts';
import { describeReaders } from './readers.ts';
import { describeRefusals } from './refusals.ts';
import { describeTimes } from './time.ts';
import { describeTopics } from './topics.ts';
import { describeTrims } from './trim.ts';

export function describeLog(fixture: LogFixture): void {
  describe(fixture.name, () => {
    afterEach(() => fixture.cleanup());
    describeAppends(fixture);
    describeRefusals(fixture);
    describeDurability(fixture);
    describeCommits(fixture);
    describeIdempotence(fixture);
    describeCursors(fixture);
    describeTimes(fixture);
    describeTrims(fixture);
    describeCompaction(fixture);
    describeTopics(fixture);
    describeGroups(fixture);
    describeReaders(fixture);
    describeClosing(fixture);
    describeQueues(fixture);
    describeQueueUpkeep(fixture);
    describeQueueOrder(fixture);
    describeDeadLetters(fixture);
    describeRandomly(fixture);
  });
}
