"""Word lists and sentence templates for generated speech. Plain words, chosen for varied sounds."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    """Words between blanks; an underscore stands for a blank inside one entry."""
    return tuple(part.replace("_", " ") for part in text.split())


NOUNS = _words(
    """
apple baker basket beach bear bell bench bird boat book bottle bowl box boy branch bread bridge brother brush
bucket bus butter button cabin cake camera candle car card carpet castle cat chair cheese cherry chicken child
church circle city clock cloud coat coffee coin corner cousin cow cup curtain daughter desk dinner doctor dog
door dragon dream dress drum duck eagle egg elephant engine farm farmer father feather fence field finger fire
fish flag flower forest fork fountain fox friend frog fruit game garden gate ghost giant gift girl glass glove
goat goose grandfather grape grass guitar hammer hat heart hill honey horse hospital hotel house idea island
jacket jar jewel journey judge juice kettle key king kitchen kite knife ladder lake lamp leaf lemon letter
library light lion machine magazine map market meadow melon mirror money monkey moon morning mother mountain
mouse movie museum mushroom music needle neighbour nest newspaper night nurse ocean office onion orange oven
owl oyster page painter palace paper parrot party path pear pencil pepper piano picture pie pigeon pillow
pilot pipe planet plate pocket poem potato prince puppet puzzle queen rabbit radio rain recipe ribbon ring
river road robot rocket roof room rope rose ruler sailor salad sandwich school scissors sea season shadow
sheep shell ship shirt shoe shop shovel shower sister sky snake snow soap sofa soldier song soup spider spoon
square stable star station stone storm story stranger street student sugar summer sun table tailor teacher
temple theatre thief thumb thunder ticket tiger tomato tooth towel tower town toy train treasure tree triangle
trumpet turtle umbrella uncle valley van vase village violin visitor voice waiter wall watch water wave
weather whale wheel whistle wife window winter wizard wolf woman worker world yard year zebra zoo
"""
)

VERBS = _words(
    """
admired announced asked avoided baked bought borrowed broke brought built buried called carried caught changed
chose cleaned closed collected cooked copied covered crossed described designed discovered doubted dreamed
drew dropped enjoyed examined explained expected fed filled finished fixed followed forgot found gathered gave
guarded guessed heard helped hid imagined improved invented joined kept kicked kissed knew learned left lifted
loved made measured met missed mixed mentioned moved needed noticed offered opened ordered owned packed
painted passed picked planned pointed_at polished praised promised protected pulled pushed questioned reached
read recognised remembered repaired replaced rescued saved saw searched sent shared showed sketched smelled
sold started stole studied surprised taught thanked threw touched traded understood used visited wanted warned
washed watched welcomed wished_for wrapped
"""
)

ADJECTIVES = _words(
    """
amazing ancient angry beautiful big bitter black blue boring brave bright broken brown busy calm careful cheap
cheerful clean clever cold colourful comfortable common cool crazy curious curly damp dangerous dark deep
delicious different dirty dry dusty early easy elegant empty enormous expensive fair faithful famous fast fat
favourite fine flat foolish foreign fresh friendly funny gentle golden good grateful great green grey happy
hard healthy heavy helpful high hollow honest hot huge hungry important jolly kind large late lazy light
little lonely long loud lovely lucky mysterious narrow new nice noisy old orange ordinary pale patient perfect
pink pleasant polite poor popular pretty proud purple quick quiet rare red rich ripe rough round royal sad
serious shallow sharp shiny short shy silent silver simple sleepy slow small smart smooth soft sour special
square strange strong sudden sweet tall tender thick thin thirsty tiny tired unusual useful usual violet warm
weak wet white wide wild wise wonderful wooden yellow young
"""
)

ADVERBS = _words(
    """
again already always angrily badly bravely carefully certainly clearly eagerly early easily finally gently
gladly happily hardly honestly kindly later loudly maybe never often openly perhaps politely probably quickly
quietly rarely really sadly seldom slowly softly somehow sometimes soon suddenly today together tomorrow
usually very well warmly yesterday
"""
)

PLACES = _words(
    """
behind_the_church by_the_river in_the_garden in_the_kitchen in_the_middle_of_town near_the_old_bridge
next_to_the_library on_the_beach on_the_roof over_the_valley through_the_forest under_the_table at_the_market
at_the_station across_the_street above_the_clouds around_the_corner between_the_hills inside_the_museum
outside_the_palace before_breakfast after_the_storm during_the_summer for_several_hours in_the_early_evening
just_before_midnight on_Monday_morning in_February at_five_o'clock once_upon_a_time
"""
)

PEOPLE = _words(
    """
Anna Ben Charlie Deborah Edward Fiona George Hannah Isaac Julia Kevin Laura Michael Nancy Oliver Paula Quentin
Robert Sophie Thomas Ursula Victor Wendy Xavier Yvonne Zoe
"""
)

TEMPLATES = (
    "The {adjective} {noun} {verb} the {noun2} {place}.",
    "{person} {adverb} {verb} a {adjective} {noun}.",
    "{person} and {person2} {verb} the {noun}, but the {noun2} was too {adjective}.",
    "Why is the {noun} so {adjective}, {person}?",
    "I think my {noun} {verb} your {noun2} {place}.",
    "We {adverb} {verb} every {noun} {place}, and then we {verb2} the {adjective} {noun2}.",
    "Please bring {number} {adjective} {noun}s and {number2} {noun2}s.",
    "Oh, what a {adjective} {noun}!",
    "Have you ever {verb} such a {adjective} {noun}?",
    "{person} said that {number} {noun}s {verb} the {adjective} {noun2}.",
    "If the {noun} is {adjective}, the {noun2} will be {adjective2}.",
    "Welcome to my channel, today we will talk about the {adjective} {noun}.",
    "Nobody {verb} the {noun}; everybody {verb2} the {noun2}.",
    "Yes, the {noun}. No, not the {noun2}.",
)
TEST_TEMPLATES = (
    "{place}, a {adjective} {noun} {adverb} {verb} {person}.",
    "Most {noun}s are {adjective}, although some {noun2}s are {adjective2}.",
    "{person}, who {verb} my {noun}, is a {adjective} person.",
    "Hello, I am {person}, and this is my {adjective} {noun}.",
)
NUMBERS = _words(
    """
two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty fifty sixty
seventy eighty ninety
"""
)

# Sentences of other languages are made of independent parts: part lists in order, one choice of each.
MANDARIN = (
    _words("今天 昨天 明天 早上 晚上 下午 星期五 现在 去年 冬天 周末 有时候"),
    _words("我 你 他 她们 我们 爸爸 妈妈 老师 朋友 哥哥 小猫 医生 爷爷 弟弟 同学 阿姨 那个女孩 司机 一位客人 邻居"),
    _words("想 可以 应该 已经 常常 慢慢地 高兴地 不 一定要 正在 马上 也 从来不 很喜欢"),
    _words("买 看 吃 做 学习 打开 找 画 写 听 喝 送 拿 介绍 参观 修理 洗 讨论 准备 唱"),
    _words(
        "苹果 面包 电影 一本书 音乐 牛奶 房子 飞机票 汉语 自行车 地图 图片 茶 晚饭 新衣服 那首歌 桌子 礼物 风景 老照片 "
        "葡萄 博物馆 手机 帽子 旅行的计划 普通话 作业 蛋糕 问题 花园 豆腐 西瓜 米饭 报纸 雨伞 月亮 故事"
    ),
    _words("。 ， ！ ？ ，好吗？ ，真不错。 ，因为天气很好。 ，可是没有时间。 ，非常有意思。 ，我觉得很漂亮。"),
)
GERMAN = (
    _words("Heute Gestern Morgens Manchmal Im_Winter Am_Abend Später Vielleicht"),
    _words("kauft sieht malt findet öffnet braucht liebt sucht bringt vergisst zeigt putzt"),
    _words("meine_Mutter der_König ein_Freund unser_Nachbar die_Lehrerin Peter das_Mädchen jemand"),
    _words("den_Apfel ein_schönes_Buch die_Blumen das_blaue_Haus einen_Hund Brot_und_Butter viele_Vögel Wasser"),
    _words("auf_dem_Markt. im_Garten. für_uns. ohne_Grund. am_Fenster. über_der_Brücke. mit_großer_Freude."),
)
FRENCH = (
    _words("Aujourd'hui, Hier, Parfois, Le_matin, En_hiver, Bientôt,"),
    _words("ma_mère mon_père un_ami la_reine notre_voisin une_petite_fille le_boulanger Paul"),
    _words("cherche trouve regarde mange oublie prépare vend ouvre dessine porte"),
    _words("une_pomme le_bateau du_pain un_beau_livre la_lune les_fleurs_bleues un_bon_vin_blanc le_chien deux_oeufs"),
    _words("dans_le_jardin. au_marché. avec_plaisir. sous_la_pluie. près_du_pont. pour_nous. sans_bruit."),
)
SPANISH = (
    _words("Hoy Ayer Mañana A_veces En_verano Por_la_noche"),
    _words("mi_madre el_niño un_amigo la_reina nuestro_vecino Pablo mucha_gente la_profesora"),
    _words("compra busca mira come olvida prepara vende abre dibuja lleva"),
    _words("una_manzana el_barco pan_y_mantequilla un_libro_bonito la_luna las_flores_azules el_perro agua_fresca"),
    _words("en_el_jardín. en_la_plaza. con_alegría. bajo_la_lluvia. cerca_del_puente. para_todos. sin_hablar."),
)
PARTS = {"cmn": MANDARIN, "de": GERMAN, "fr": FRENCH, "es": SPANISH}
