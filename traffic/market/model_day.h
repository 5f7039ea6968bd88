/* The start of the model's day and the symbols it trades. Private to the model; essay: model.h. */
#ifndef TRAFFIC_MARKET_MODEL_DAY_H
#define TRAFFIC_MARKET_MODEL_DAY_H

#include "traffic/market/model.h"

/* S 'O', R per symbol, V, H per symbol, Y per symbol, S 'S', S 'Q'; stops where model->left does. */
void model_day_open(struct model *model, void (*emit)(struct model *, uint8_t *));

#endif
