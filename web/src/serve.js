/** The worker's side: decodes what it is sent, once. */
import { serve } from "./service.js";

serve(self);
