/** Connector s3 against s3rver, which imitates S3 with parts and ranges, and takes any signature of a known key. */
import { beforeAll } from 'vitest';
import { fileSuite, startS3 } from '#kit';
import s3 from '../../../connectors/s3/index.ts';

let server: Awaited<ReturnType<typeof startS3>>;
let places = 0;

beforeAll(async () => {
  server = await startS3();
});

fileSuite(s3, async () => {
  const { url: endpoint, bucket } = server;
  const keys = { access_key_id: 'S3RVER', secret_access_key: 'S3RVER' };
  const config = { endpoint, bucket, prefix: `place ${++places}/ü/`, ...keys };
  return {
    config,
    bad: {
      'no such key': { config: { ...config, access_key_id: 'nobody' }, code: 'ENDPOINT_REFUSED' },
      'no such bucket': { config: { ...config, bucket: 'nowhere' }, code: 'ENDPOINT_UNREACHABLE' },
      'nobody there': { config: { ...config, endpoint: 'http://127.0.0.1:1' }, code: 'ENDPOINT_UNREACHABLE' },
      'an unknown format': { config: { ...config, sets: { x: 'a-*.exe' } }, code: 'ENDPOINT_INVALID' },
    },
  };
});
