import { HttpException, type ArgumentsHost } from '@nestjs/common';
import { RecordingLog } from '../../test/support/recording-log';
import { deadlineIn } from '../deadline';
import { ErrorFilter } from './error.filter';
import { bindScope } from './request-scope';

/** What a caller is told, and what is logged, when a handler throws this. */
function answerTo(error: unknown): { status: number; body: string; log: RecordingLog } {
  const log = new RecordingLog();
  const answered = { status: 0, body: '', log };
  const reply = {
    sent: false,
    status: (code: number) => ((answered.status = code), reply),
    headers: () => reply,
    header: () => reply,
    send: (body: string) => (answered.body = body),
  };
  const request = { raw: {}, method: 'POST', url: '/x' };
  const deadline = deadlineIn(1000);
  bindScope(request as never, { requestId: 'the-id', clientIp: '127.0.0.1', route: '/x', startedAt: 0, deadline });
  deadline.clear();
  const http = { getRequest: () => request, getResponse: () => reply };
  new ErrorFilter(log, 1024).catch(error, { switchToHttp: () => http } as unknown as ArgumentsHost);
  return answered;
}

describe('an error that nobody expected', () => {
  it.each([
    ['an error', new Error('connect ECONNREFUSED 10.0.0.7:6379 password=hunter2')],
    ['an error of the framework', new HttpException('hunter2 at /app/dist/x.js:1', 500)],
    ['an error with a code of its own', Object.assign(new Error('hunter2'), { statusCode: 502 })],
    ['a text', 'hunter2'],
    ['nothing', undefined],
  ])('is told to be one, and nothing of it leaves: %s', (_, error) => {
    const { status, body, log } = answerTo(error);
    expect(status).toBe(500);
    expect(JSON.parse(body)).toMatchObject({
      type: 'https://kubernaut.io/problems/internal-error',
      request_id: 'the-id',
    });
    expect(body).not.toMatch(/hunter2|10\.0\.0\.7|ECONN|\.js/);
    expect(log.messages).toEqual(['unexpected error']);
  });
});
