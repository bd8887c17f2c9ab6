import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CLOCK, type Clock } from '../../clock';
import { Envelope } from '../../http/envelope';
import { ApiSignalAnswers } from '../signal-answers.decorator';
import { SignalIntake } from '../signal-intake';
import { SIGNAL_RULES, type SignalRules } from '../signal-rules';
import { GrafanaWebhookDto } from './grafana-webhook.dto';
import { toSignals } from './grafana.adapter';
import { grafanaExamples } from './grafana.examples';

@ApiTags('signals')
@ApiBearerAuth()
@Controller()
export class GrafanaController {
  constructor(
    private readonly intake: SignalIntake,
    @Inject(SIGNAL_RULES) private readonly rules: SignalRules,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Post()
  @HttpCode(201)
  @ApiOperation({ summary: 'Receive a webhook of Grafana (unified alerting); a token or a signature says whose it is' })
  @ApiBody({ type: GrafanaWebhookDto, examples: grafanaExamples })
  @ApiSignalAnswers()
  receive(
    @Envelope(GrafanaWebhookDto) webhook: GrafanaWebhookDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    this.intake.noteTruncated('grafana', webhook.truncatedAlerts);
    return this.intake.take(toSignals(webhook, this.rules, this.clock.now()), request, reply);
  }
}
