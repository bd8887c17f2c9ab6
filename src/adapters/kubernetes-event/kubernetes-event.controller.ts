import { Body, Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CLOCK, type Clock } from '../../clock';
import { Envelope } from '../../http/envelope';
import { ApiSignalAnswers } from '../signal-answers.decorator';
import { SignalIntake } from '../signal-intake';
import { SIGNAL_RULES } from '../signal-rules';
import { EventDto } from './event.dto';
import { eventExamples } from './kubernetes-event.examples';
import { toSignals, type EventRules } from './kubernetes-event.adapter';

@ApiTags('signals')
@ApiBearerAuth()
@Controller()
export class KubernetesEventController {
  constructor(
    private readonly intake: SignalIntake,
    @Inject(SIGNAL_RULES) private readonly rules: EventRules,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Post()
  @HttpCode(201)
  @ApiOperation({ summary: 'Receive an Event of Kubernetes, or a list of them' })
  @ApiBody({ type: EventDto, examples: eventExamples })
  @ApiSignalAnswers()
  receive(
    @Envelope(EventDto) { items }: EventDto,
    @Body() event: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return this.intake.take(toSignals(items ?? [event], this.rules, this.clock.now()), request, reply);
  }
}
