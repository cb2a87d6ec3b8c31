/** The thread of one lane: reads what is stored, then does as it is told. Started by `lane-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert, systemClock } from '#kernel';
import { openReader } from '#log';
import { httpDoer } from '../effects/http.ts';
import { EffectRunner } from '../effects/runner.ts';
import { scriptDoer } from '../effects/script.ts';
import { shellDoer } from '../effects/shell.ts';
import { Tokens } from '../effects/tokens.ts';
import { Lane } from './lane.ts';
import { nextCron, planParts } from './plan-parts.ts';
import type { LaneSetup, ToLane } from './protocol.ts';

const MIB = 1024 * 1024;
const port = parentPort;
assert(port !== null, 'a lane runs in a thread of its own');
const { partition, reader, limits } = workerData as LaneSetup;

const scriptLimits = {
  heapMib: Math.ceil(limits.workflowScriptHeapBytesMax / MIB),
  ms: limits.workflowScriptMs,
  outputBytesMax: limits.workflowAnswerBytesMax,
};

const lane = new Lane({
  partition,
  limits,
  clock: systemClock,
  parts: planParts,
  nextCron,
  post: (message, transfer) => port.postMessage(message, transfer),
  effects: (callbacks) => {
    const runner = new EffectRunner({
      atOnceMax: limits.workflowCallsMax,
      effectMs: limits.workflowCallMs,
      ...callbacks,
    });
    const options = { answerBytesMax: limits.workflowAnswerBytesMax, connectionsMax: limits.workflowCallsMax };
    runner.register('http', httpDoer(options, new Tokens(systemClock)));
    runner.register('script', scriptDoer(scriptLimits));
    runner.register('shell', shellDoer(process.env['SLUICE_WORKFLOW_SHELL'] === '1', limits.workflowAnswerBytesMax));
    return runner;
  },
});

port.on('message', (message: ToLane) => {
  if (message.kind !== 'load') return lane.receive(message);
  void openReader(reader).then(async (open) => {
    lane.load(open.state(message.state));
    await open.close();
  });
});
