/** For tests: takes a millisecond of the thread over each record. */
import { bytes, defineProcessor } from 'sluice/processing';

export default defineProcessor({
  inputs: { plenty: bytes() },
  outputs: { few: bytes() },
  build({ stream }) {
    stream('plenty')
      .peek(() => {
        const until = performance.now() + 1;
        while (performance.now() < until);
      })
      .filter((_value, { offset }) => offset % 100 === 0)
      .to('few');
  },
});
