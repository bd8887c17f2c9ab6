import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CLOCK, type Clock } from '../../clock';
import { ApiSignalAnswers } from '../signal-answers.decorator';
import { Envelope } from '../../http/envelope';
import { SignalIntake } from '../signal-intake';
import { AlertmanagerWebhookDto } from './alertmanager-webhook.dto';
import { webhookExamples } from './prometheus.examples';
import { SIGNAL_RULES, type SignalRules } from '../signal-rules';
import { toSignals } from './prometheus.adapter';

@ApiTags('signals')
@ApiBearerAuth()
@Controller()
export class PrometheusController {
  constructor(
    private readonly intake: SignalIntake,
    @Inject(SIGNAL_RULES) private readonly rules: SignalRules,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Post()
  @HttpCode(201)
  @ApiOperation({ summary: 'Receive a webhook of Alertmanager (version 4)' })
  @ApiBody({ type: AlertmanagerWebhookDto, examples: webhookExamples })
  @ApiSignalAnswers()
  receive(
    @Envelope(AlertmanagerWebhookDto) webhook: AlertmanagerWebhookDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    this.intake.noteTruncated('prometheus', webhook.truncatedAlerts);
    return this.intake.take(toSignals(webhook, this.rules, this.clock.now()), request, reply);
  }
}
