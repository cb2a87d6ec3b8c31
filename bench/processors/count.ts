/** For `bench aggregate`: how many records each key has had. */
import { bytes, defineProcessor } from 'sluice/processing';

export default defineProcessor({
  inputs: { in: bytes() },
  outputs: {},
  build({ stream }) {
    stream('in').count({ name: 'count', emit: 'none' });
  },
});
