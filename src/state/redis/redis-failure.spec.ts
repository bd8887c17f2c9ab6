import { isTimeout, isUnknownScript, reasonOf, scriptFaultOf, withoutCommand } from './redis-failure';

describe('reasonOf', () => {
  it.each([
    [new Error('Command timed out'), 'no answer in time'],
    [Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:6379'), { code: 'ECONNREFUSED' }), 'connection refused'],
    [Object.assign(new Error('x'), { code: 'EHOSTUNREACH' }), 'EHOSTUNREACH'],
    [new Error('WRONGPASS invalid username-password pair or user is disabled.'), 'wrong username or password'],
    [new Error("OOM command not allowed when used memory > 'maxmemory'."), 'out of memory'],
    [new Error('ERR DB index is out of range'), 'no such database'],
    [new Error('BUSY Redis is busy running a script.'), 'BUSY'],
    [new Error('Connection is closed.'), 'connection lost'],
  ])('%s', (error, reason) => {
    expect(reasonOf(error)).toBe(reason);
  });

  it("never repeats Redis's own words", () => {
    expect(reasonOf(new Error("ERR unknown command 'AUTH', with args beginning with: 's3cret'"))).toBe('ERR');
  });
});

describe('isTimeout', () => {
  it('is true for a command without an answer alone', () => {
    expect(isTimeout(new Error('Command timed out'))).toBe(true);
    expect(isTimeout(Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' }))).toBe(false);
  });
});

describe('isUnknownScript', () => {
  it('is true for the one answer that sending the script heals', () => {
    expect(isUnknownScript(new Error('NOSCRIPT No matching script. Please use EVAL.'))).toBe(true);
    expect(isUnknownScript(new Error('NOPERM this user has no permissions to run the evalsha command'))).toBe(false);
  });
});

describe('withoutCommand', () => {
  it('takes the arguments of the command off the error', () => {
    const error = Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['s3cret'] } });
    expect(withoutCommand(error)).toBe(error);
    expect(JSON.stringify(error)).not.toContain('s3cret');
  });
});

describe('scriptFaultOf', () => {
  it.each([
    [
      'ERR user_script:46: Expected value but found invalid unicode escape code at character 20 script: 6f, on @user_script:46.',
      '46',
    ],
    ['WRONGTYPE Operation against a key holding the wrong kind of value script: 6f, on @user_script:27.', '27'],
    ['ERR Error running script (call to f_6f): @user_script:9: -OOM command not allowed', undefined],
    ["OOM command not allowed when used memory > 'maxmemory'. script: 6f, on @user_script:9.", undefined],
    ['READONLY You can not write against a read only replica. script: 6f, on @user_script:9.', undefined],
    [
      "ERR The user executing the script can't run this command or subcommand script: 6f, on @user_script:1.",
      undefined,
    ],
    ['ERR Error running script (call to f_6f): @user_script:9: -LOADING Redis is loading', undefined],
    ['ERR DB index is out of range', undefined],
  ])('of "%s" is line %s', (message, line) => {
    expect(scriptFaultOf(new Error(message))).toBe(line);
  });
});
